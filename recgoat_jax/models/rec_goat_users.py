"""The user side of RecGOAT: what profiles, and the graph of users with similar profiles, add to collaborative vectors.

Section on users of RecGOAT (arXiv 2602.00682): profile vectors start the users, a graph of their nearest neighbours
refines them attentively. How the result joins the collaborative vector is not public; here by a fixed share or a gate.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from recgoat_jax.data import Dataset
from recgoat_jax.graphs.adjacency import Adjacency
from recgoat_jax.graphs.neighbors import neighbor_graph
from recgoat_jax.graphs.products import graph_product
from recgoat_jax.graphs.shard import LocalRows
from recgoat_jax.losses.reduction import AxisName
from recgoat_jax.models.protocols import Untrained
from recgoat_jax.models.rec_goat_config import RecGoatConfig
from recgoat_jax.models.rec_goat_inputs import ModalityBranch, user_inputs
from recgoat_jax.nn.alignment import match_scale
from recgoat_jax.nn.variables import Constant


class Gate(nnx.Module):
    """A share for each row, ``sigmoid([x, y] . w + b)``, between two vectors of it.

    Args:
        dim: width of both.
        start: share of the second before training, above 0 and below 1; w starts at zero.
    """

    def __init__(self, dim: int, *, start: float) -> None:
        self.kernel = nnx.Param(jnp.zeros((2 * dim, 1)))
        self.bias = nnx.Param(jnp.full((1,), math.log(start / (1.0 - start))))

    def __call__(self, x: Float[Array, "rows dim"], y: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        """``(1 - share) x + share y``."""
        share = jax.nn.sigmoid(jnp.concatenate([x, y], axis=1) @ self.kernel[...] + self.bias[...])
        return (1.0 - share) * x + share * y


class UserSide(nnx.Module):
    """Joins collaborative user vectors with what is known of the users.

    Args:
        config: settings.
        dataset: prepared data with user features.
        rngs: the ``params`` stream starts the parameters.
        untrained: users that training does not know; None: there are none.
    """

    def __init__(
        self, config: RecGoatConfig, dataset: Dataset, *, rngs: nnx.Rngs, untrained: Untrained | None = None
    ) -> None:
        known = user_inputs(dataset, neighbors=config.neighbors, untrained=untrained)
        assert known.table is not None
        present = known.table.present
        fitted = present if untrained is None else present & ~untrained.users
        self.mix = config.user_mix
        self.present = Constant(jnp.asarray(present))
        # Whose vectors say how long vectors of profiles are.
        self.fitted = None if fitted.all() else Constant(jnp.asarray(fitted))
        self.branch = (
            None
            if config.user_branch == "neighbors"
            else ModalityBranch(
                known,
                config.dim,
                layers=config.branch_layers if config.user_branch == "graph" else 0,
                heads=config.heads,
                feature_dropout=config.feature_dropout,
                attention_dropout=config.attention_dropout,
                output_dropout=config.output_dropout,
                attention_start=config.attention_start,
                rngs=rngs,
            )
        )
        self.graph = (
            Constant(Adjacency.from_graph(neighbor_graph(known.neighbors, receiving_only=known.receiving_only)))
            if config.user_branch == "neighbors"
            else None
        )
        self.gate = Gate(config.dim, start=config.user_mix) if config.user_join == "gate" else None

    def __call__(
        self,
        collaborative: Float[Array, "users dim"],
        table: Float[Array, "users dim"],
        *,
        key: Key[Array, ""] | None,
        rows: LocalRows | None,
        axis_name: AxisName | None,
    ) -> Float[Array, "users dim"]:
        """Final user vectors.

        Args:
            collaborative: vectors of the user-item graph.
            table: ID rows of the users.
            key: drives dropout; None: dropout is off.
            rows: the users of this device; None on one device.
            axis_name: mapped axis over which the users are spread.

        Returns:
            ``users x dim``; a user without a profile keeps the collaborative vector.
        """
        if self.branch is not None:
            known = self.branch(key=key, rows=rows)
        else:
            assert self.graph is not None
            known = graph_product(self.graph.get_value(), table)
        fitted = None if self.fitted is None else self.fitted[...]
        if rows is not None:
            fitted = rows.real if fitted is None else fitted & rows.real
        known = match_scale(known, collaborative, fitted, axis_name=axis_name)
        joined = (1 - self.mix) * collaborative + self.mix * known
        if self.gate is not None:
            joined = self.gate(collaborative, known)
        return jnp.where(self.present[...][:, None], joined, collaborative)


__all__ = ["Gate", "UserSide"]
