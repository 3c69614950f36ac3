"""Pictures to vectors."""

from recgoat_jax.encoders.image.efficientnet import EfficientNetImageConfig, EfficientNetImageEncoder
from recgoat_jax.encoders.image.pictures import FolderPictures, PictureReader, by_problem, find_pictures

__all__ = [
    "EfficientNetImageConfig",
    "EfficientNetImageEncoder",
    "FolderPictures",
    "PictureReader",
    "by_problem",
    "find_pictures",
]
