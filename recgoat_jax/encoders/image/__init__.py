"""Pictures to vectors."""

from recgoat_jax.encoders.image.efficientnet import EfficientNetImageConfig, EfficientNetImageEncoder
from recgoat_jax.encoders.image.folder import NamedPictures, find_pictures, pictures_by_name
from recgoat_jax.encoders.image.pictures import PictureReader

__all__ = [
    "EfficientNetImageConfig",
    "EfficientNetImageEncoder",
    "NamedPictures",
    "PictureReader",
    "find_pictures",
    "pictures_by_name",
]
