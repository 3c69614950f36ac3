"""The closed union of models: the one place that lists them."""

from flax import nnx

from recgoat_jax.data import Dataset
from recgoat_jax.models.bpr_mf import BprMf, BprMfConfig
from recgoat_jax.models.light_gcn import LightGcn, LightGcnConfig
from recgoat_jax.models.most_popular import MostPopular, MostPopularConfig
from recgoat_jax.models.protocols import Retriever, Untrained
from recgoat_jax.models.rec_goat import RecGoat
from recgoat_jax.models.rec_goat_config import RecGoatConfig

ModelConfig = RecGoatConfig | LightGcnConfig | BprMfConfig | MostPopularConfig
"""Settings of any model; the class of the settings says which."""


def build_model(
    config: ModelConfig, dataset: Dataset, *, rngs: nnx.Rngs, untrained: Untrained | None = None
) -> Retriever:
    """Builds the model of a config over a data set.

    Args:
        config: settings of one model.
        dataset: prepared data.
        rngs: the ``params`` stream starts the parameters.
        untrained: users and items that came after training, for the models that give such vectors (`RecGoat`,
            `LightGcn`); None: there are none.

    Returns:
        The model.
    """
    match config:
        case RecGoatConfig():
            return RecGoat(config, dataset, rngs=rngs, untrained=untrained)
        case LightGcnConfig():
            return LightGcn(config, dataset, rngs=rngs, untrained=untrained)
        case BprMfConfig():
            return BprMf(config, dataset, rngs=rngs)
        case MostPopularConfig():
            return MostPopular(config, dataset, rngs=rngs)


__all__ = ["ModelConfig", "build_model"]
