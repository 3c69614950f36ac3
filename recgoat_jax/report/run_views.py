"""The views of a RecGOAT run's items, before and after training, and what each mixture of them is worth."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from recgoat_jax.data import Dataset
from recgoat_jax.errors import UsageError
from recgoat_jax.evaluation.evaluate import Evaluator
from recgoat_jax.models.rec_goat import Encoded, RecGoat
from recgoat_jax.models.rec_goat_contrasts import Representation
from recgoat_jax.report.mixtures import Mixtures
from recgoat_jax.report.plans import Plan
from recgoat_jax.serving.run import Run
from recgoat_jax.serving.trained import best_parameters, starting_model

REPRESENTATIONS: tuple[Representation, ...] = ("aligned", "unaligned")
"""Both, in the order of the figures."""

Moment = Literal["before", "after"]
"""With the parameters that training started from, or with the best ones."""

MOMENTS: tuple[Moment, ...] = ("before", "after")
"""Both, in order."""


class BeforeAndAfter(NamedTuple):
    """Of one modality, with the parameters that training started from and with the best ones.

    Attributes:
        before: plan and cost before training.
        after: the same after it.
    """

    before: tuple[Plan, float]
    after: tuple[Plan, float]


class Scored(NamedTuple):
    """What scores, the user vectors on one side, and on the other the items' vectors as they are or of one view alone.

    Attributes:
        users: ``users x dim``.
        fused: ``items x dim``.
        views: name to ``items x dim``, as scaled and finished in the fused vector's place, the ID view first.
    """

    users: Float[np.ndarray, "users dim"]
    fused: Float[np.ndarray, "items dim"]
    views: dict[str, Float[np.ndarray, "items dim"]]


class RunViews:
    """The views of a run's items: its model is built again and runs twice, without and with training.

    Args:
        run: a finished run of RecGoat with weighted fusion.
        checkpoints: where its checkpoints lie; None: in the run directory.

    Raises:
        UsageError: a run of another model, of another fusion, or without modalities.
        DataError: data, features or checkpoints of the run are gone or have changed.
    """

    def __init__(self, run: Run, *, checkpoints: Path | None = None) -> None:
        if run.result["model"] != "RecGoat":
            raise UsageError(
                f"{run.name} is a run of {run.result['model']}, whose items have no views; expected RecGoat."
            )
        self.dataset: Dataset = run.dataset_with_features
        model = starting_model(run, self.dataset)
        assert isinstance(model, RecGoat)
        if model.weighting is None or not model.transports:
            raise UsageError(
                f"{run.name} does not align views (fusion '{model.config.fusion}', {len(model.transports)} "
                "modalities); expected a weighted fusion of one modality or more."
            )
        self.names: tuple[str, ...] = model.weighting.names
        self._definition, self._start, self._rest = nnx.split(model, nnx.Param, ...)
        self._params = best_parameters(run, model, checkpoints=checkpoints)
        self._before, self._after = (_encode(self._definition, one, self._rest) for one in (self._start, self._params))
        self.temperature: float = model.config.temperature
        # Not nnx.update of the model: it shares its parameters with the state of the start.
        trained = nnx.merge(self._definition, self._params, self._rest, copy=True)
        assert trained.weighting is not None
        self.learned: Float[np.ndarray, " views"] = np.asarray(trained.weighting.shares(), float)
        self._present = {name: np.asarray(branch.present[...]) for name, branch in model.branches.items()}

    def vectors(
        self, representation: Representation, moment: Moment = "after"
    ) -> dict[str, Float[np.ndarray, "items dim"]]:
        """Name to vectors of the trained model, or of the one that training started from, the ID view first."""
        encoded = {"before": self._before, "after": self._after}[moment]
        views = {"id": encoded.views["id"], **encoded.modalities(representation)}
        return {name: np.asarray(view) for name, view in views.items()}

    def scored(self, moment: Moment, representation: Representation) -> Scored:
        """The vectors that score, before or after training; modalities after or before transport."""
        encoded, params = {"before": (self._before, self._start), "after": (self._after, self._params)}[moment]
        alone = {
            name: _mixed(self._definition, params, self._rest, encoded, jnp.asarray(row), representation=representation)
            for name, row in zip(self.names, np.eye(len(self.names), dtype=np.float32), strict=True)
        }
        users, fused = np.asarray(encoded.users), np.asarray(encoded.items)
        return Scored(users, fused, {name: np.asarray(view) for name, view in alone.items()})

    @property
    def complete(self) -> Bool[np.ndarray, " items"]:
        """Items that have training pairs and every view."""
        return np.all([self.dataset.item_counts > 0, *self._present.values()], axis=0)

    def plans(self) -> dict[str, BeforeAndAfter]:
        """Modality to plan and cost before and after training; empty where the model has no plan."""
        found = {}
        for name, after in self._after.aligned.items():
            before = self._before.aligned[name]
            if before.plan is not None and after.plan is not None:
                pairs = [(np.asarray(one.plan), float(one.cost)) for one in (before, after)]
                found[name] = BeforeAndAfter(*pairs)
        return found

    def mixtures(
        self, weights: Float[np.ndarray, "mixtures views"], evaluator: Evaluator, *, metric: str,
        representation: Representation = "aligned",
    ) -> Mixtures:  # fmt: skip
        """The metric of mixtures of the trained views; nothing is trained for them.

        Args:
            weights: rows that sum to 1, a column a view.
            evaluator: of the data of the run.
            metric: one that it gives.
            representation: views after or before transport.

        Returns:
            The mixtures with their values.
        """
        return Mixtures(weights, self.metrics(weights, evaluator, metrics=(metric,), representation=representation)[0])

    def metrics(
        self, weights: Float[np.ndarray, "mixtures views"], evaluator: Evaluator, *, metrics: Sequence[str],
        representation: Representation = "aligned",
    ) -> Float[np.ndarray, "metrics mixtures"]:  # fmt: skip
        """Several metrics of mixtures; arguments as of `mixtures`."""
        means = []
        for row in weights:
            items = _mixed(
                self._definition,
                self._params,
                self._rest,
                self._after,
                jnp.asarray(row, jnp.float32),
                representation=representation,
            )
            means.append(evaluator((self._after.users, items)).means)
        return np.asarray([[of_row[metric] for of_row in means] for metric in metrics])

    def alone(
        self, evaluator: Evaluator, *, metrics: Sequence[str], representation: Representation = "aligned"
    ) -> dict[str, Mapping[str, float]]:
        """Metric to view to what it is worth alone, and, of aligned views, what they are worth fused.

        An item without the modality has the score 0.
        """
        rows = dict(zip(self.names, np.eye(len(self.names)), strict=True))
        if representation == "aligned":
            rows = {"fused": self.learned, **rows}
        else:
            del rows["id"]
        values = self.metrics(np.asarray([*rows.values()]), evaluator, metrics=metrics, representation=representation)
        return {
            metric: dict(zip(rows, of_metric.tolist(), strict=True))
            for metric, of_metric in zip(metrics, values, strict=True)
        }


@partial(jax.jit, static_argnums=0)
def _encode(definition: nnx.GraphDef, params: nnx.State, rest: nnx.State) -> Encoded:
    """One pass; compiled once for all seeds of an experiment."""
    return nnx.merge(definition, params, rest, copy=True).encode()


@partial(jax.jit, static_argnums=0, static_argnames="representation")
def _mixed(
    definition: nnx.GraphDef,
    params: nnx.State,
    rest: nnx.State,
    encoded: Encoded,
    weights: Float[Array, " views"],
    *,
    representation: Representation,
) -> Float[Array, "items dim"]:
    """Item vectors of a mixture."""
    return nnx.merge(definition, params, rest, copy=True).mixed(encoded, weights, representation=representation)


def sampled_rows(rows: Int[np.ndarray, " rows"], *, most: int, seed: int) -> Int[np.ndarray, " sample"]:
    """A random sample without repetition, in order; all rows where there are not more than ``most``."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


__all__ = ["MOMENTS", "REPRESENTATIONS", "BeforeAndAfter", "Moment", "RunViews", "Scored", "sampled_rows"]
