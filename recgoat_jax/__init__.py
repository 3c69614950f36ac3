"""recgoat_jax: multimodal and graph recommenders for JAX.

Nothing is imported here: ``import recgoat_jax.losses`` must cost no more than JAX itself. Start with

* ``recgoat_jax.losses``: contrastive, ranking and transport losses, arrays in and arrays out;
* ``recgoat_jax.training``: ``train(experiment)``;
* ``recgoat_jax.serving``: ``load_run(path).recommend([...])``.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("recgoat-jax")
    """Version of the installed package; "0+unknown" in a checkout that is not installed."""
except PackageNotFoundError:
    __version__ = "0+unknown"

__all__ = ["__version__"]
