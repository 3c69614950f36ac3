"""The example set from its source to a written directory."""

from pathlib import Path

from recgoat_jax.data.dataset import Dataset
from recgoat_jax.data.example import NAME, read_example
from recgoat_jax.data.prepare import prepare
from recgoat_jax.data.storage import write_dataset
from recgoat_jax.encoders.standard import add_standard_features


def prepare_example(directory: Path, *, seed: int = 0) -> Dataset:
    """Prepares MovieLens-100K: 5-core, every rating positive, split ``per_user_811``, with all standard features.

    Item modalities: ``text`` (title, year, genres) and, from the wheel, ``knowledge`` (but see
    `recgoat_jax.data.example` on what that is worth); user features: ``profile`` (age, gender, occupation, genres of
    the training items).

    Args:
        directory: where the prepared data set goes; running it twice is a no-op.
        seed: of the split.

    Returns:
        The data set: 943 users, 1,349 items, 99,287 pairs. ``manifest.licence`` is the sentence to print.

    Raises:
        DataError: the example set is not available, or the directory holds something else.
    """
    raw = read_example()
    dataset = prepare(raw, name=NAME, protocol="per_user_811", seed=seed, k_core=5)
    dataset = add_standard_features(dataset, raw)
    write_dataset(dataset, directory)
    return dataset


__all__ = ["prepare_example"]
