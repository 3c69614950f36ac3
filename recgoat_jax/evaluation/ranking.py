"""Full ranking, blocked over users: ranks of held-out items by counting.

The rank of a held-out item is the number of candidate items that score above it. Counting needs no sorted list,
serves every cut-off at once and costs about as much as the score product itself. Four rules make it exact:

* The score of the held-out item is read from the same product as the scores that it is compared with: a dot product
  computed alone differs in the last bit, so that an item could outrank itself.
* Equal scores are ordered by item row, the lower row first, here and in the lists of `top_k.top_k`. A model that scores
  everything alike therefore gets the ranking by row, which is worth nothing.
* Excluded items (a user's training items) are masked out of the scores and never count.
* Every product has the same shape (`scores`), so that ranks are the same on one device and on every mesh.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, Int

from recgoat_jax.data.dataset import Interactions
from recgoat_jax.errors import DataError, RunStoppedError, UsageError
from recgoat_jax.evaluation.counting import count_step, ranking_function
from recgoat_jax.evaluation.rank_blocks import BLOCK_SPECS, LaidOut, RankBlocks, lay_out
from recgoat_jax.evaluation.scores import default_block_size, in_tiles, tile_size
from recgoat_jax.graphs.placement import Placement, on_mesh

VectorPair = tuple[Float[Array | np.ndarray, "users dim"], Float[Array | np.ndarray, "items dim"]]
"""User vectors and item vectors; the score is their dot product. `models.protocols.Vectors` is one."""

ScoreBlock = Callable[[Int[np.ndarray, " batch"]], Float[Array | np.ndarray, "batch items"]]
"""A function from user rows to their scores of all items: what a ranker without vectors offers."""


class RankingShapes(NamedTuple):
    """Shapes of what `RankingPlan.function` takes, each with its sharding; its fields are its arguments."""

    blocks: RankBlocks
    users: jax.ShapeDtypeStruct
    items: jax.ShapeDtypeStruct


@dataclass(frozen=True, eq=False)
class RankingPlan:
    """Targets and exclusions laid out for the compiled pass; made once, used at every evaluation.

    Attributes:
        targets: the held-out pairs; ranks come back in their order.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        block_size: users scored at once.
        laid_out: the layout, on the host.
        placement: where users and items are on a mesh; None: all on one device.
    """

    targets: Interactions
    num_users: int
    num_items: int
    block_size: int
    laid_out: LaidOut
    placement: Placement | None = None

    @cached_property
    def blocks(self) -> RankBlocks:
        """The layout on the device, or over the mesh: put there when it is first needed."""
        if self.placement is None:
            return jax.tree.map(jnp.asarray, self.laid_out.blocks)
        return jax.tree.map(on_mesh, self.laid_out.blocks, self._shardings)

    @cached_property
    def function(self) -> jax.stages.Wrapped:
        """The compiled pass, without data: `counting.ranking_function` of this plan."""
        mesh = None if self.placement is None else self.placement.mesh
        sizes = {"num_users": self.num_users, "num_items": self.num_items}
        return ranking_function(mesh, **sizes, chunk=self.laid_out.chunk)

    def shapes(self, dim: int) -> RankingShapes:
        """What `function` takes: ``plan.function.lower(*plan.shapes(64))`` needs no device of the mesh to be there.

        Args:
            dim: width of the vectors.

        Returns:
            Shapes, with shardings over a mesh.
        """
        blocks, shape = self.laid_out.blocks, jax.ShapeDtypeStruct
        sides = (blocks.user_numbers, blocks.item_numbers)
        return jax.tree.map(
            lambda x, sharding: shape(x.shape, x.dtype, sharding=sharding),
            RankingShapes(blocks, *(shape((len(side), dim), np.float32) for side in sides)),
            RankingShapes(self._shardings, self._shardings.user_numbers, self._shardings.item_numbers),
        )

    @cached_property
    def _shardings(self) -> RankBlocks:
        placement = self.placement
        return RankBlocks(*(None if placement is None else NamedSharding(placement.mesh, x) for x in BLOCK_SPECS))


def prepare_ranking(
    targets: Interactions,
    *,
    num_users: int,
    num_items: int,
    excluded: Sequence[Interactions] = (),
    block_size: int | None = None,
    placement: Placement | None = None,
) -> RankingPlan:
    """Lays targets and exclusions out for `ranks`.

    Args:
        targets: held-out pairs to rank, sorted by user.
        num_users: rows of the user vocabulary.
        num_items: rows of the item vocabulary.
        excluded: pairs that are no candidates, e.g. ``[dataset.train]``.
        block_size: users scored at once; default: `default_block_size`.
        placement: where users and items are on a mesh; None: all on one device.

    Returns:
        The plan.

    Raises:
        DataError: no targets, or a target is among the excluded pairs (a leak between splits).
        UsageError: a block size below 1, or a placement of other numbers of users and items.

    Example:
        Item 2 is held out; item 0, which scores most, is a training item and no candidate:

        >>> import numpy as np
        >>> from recgoat_jax.data import Interactions
        >>> user, train, test = np.zeros(1, np.int32), np.array([0], np.int32), np.array([2], np.int32)
        >>> plan = prepare_ranking(
        ...     Interactions(user, test), num_users=1, num_items=4, excluded=[Interactions(user, train)]
        ... )
        >>> print(ranks(plan, (np.array([[1.0]]), np.array([[9.0], [3.0], [2.0], [1.0]]))))
        [1]
    """
    if len(targets) == 0:
        raise DataError(
            "there is nothing to rank: the split holds no pairs. Expected at least one held-out pair; prepare the data "
            "with a protocol that holds some out, or evaluate another split."
        )
    if block_size is not None and block_size < 1:
        raise UsageError(f"block size {block_size}; expected at least 1.")
    if placement is not None and (placed := (placement.users.num_nodes, placement.items.num_nodes)) != (
        num_users,
        num_items,
    ):
        raise UsageError(
            f"a placement of {placed[0]} users and {placed[1]} items; expected {num_users} and {num_items}. Make the "
            "placement from the data set that is evaluated."
        )
    _refuse_overlap(targets, excluded, num_items)
    laid_out = lay_out(
        targets,
        num_users=num_users,
        num_items=num_items,
        excluded=excluded,
        block_size=block_size or default_block_size(num_items),
        placement=placement,
    )
    return RankingPlan(targets, num_users, num_items, laid_out.blocks.users.shape[-1], laid_out, placement)


def _refuse_overlap(targets: Interactions, excluded: Sequence[Interactions], num_items: int) -> None:
    keys = targets.users.astype(np.int64) * num_items + targets.items
    for pairs in excluded:
        common = np.intersect1d(keys, pairs.users.astype(np.int64) * num_items + pairs.items)
        if common.size:
            user, item = divmod(int(common[0]), num_items)
            raise DataError(
                f"{common.size} held-out pairs are among the excluded ones, the first is user row {user}, item row "
                f"{item}; expected splits without common pairs. Prepare the data again without repeats across splits."
            )


def ranks(plan: RankingPlan, vectors: VectorPair) -> Int[np.ndarray, " pairs"]:
    """Ranks of all targets for a model of user and item vectors; the same on every mesh, to the last one.

    The pass is compiled once for each shape; a plan that is used again costs the pass alone.

    Args:
        plan: from `prepare_ranking`.
        vectors: user vectors ``users x dim`` and item vectors ``items x dim``, float32. With a placement, JAX arrays
            in its mesh order, spread over the axis "rows" by their leading axis; what padding rows hold is not read.

    Returns:
        int32, one a target, in the order of ``plan.targets``: the number of candidate items that score higher, or as
        high with a lower row. 0 is the best rank. Over a mesh every process gets all of them.

    Raises:
        RunStoppedError: vectors that are not finite, or so long that a score could overflow.
        UsageError: vectors that do not match the plan in rows or width.
    """
    users, items = vectors
    blocks = plan.laid_out.blocks
    expected = (len(blocks.user_numbers), len(blocks.item_numbers))
    if (users.shape[0], items.shape[0]) != expected or users.shape[1] != items.shape[1]:
        raise UsageError(
            f"vectors of shape {users.shape} and {items.shape}; expected {expected[0]} user rows and {expected[1]} "
            f"item rows of one width{'' if plan.placement is None else ', in the mesh order of the placement'}."
        )
    found, bound = plan.function(plan.blocks, users, items)
    check_bound(bound)
    return np.asarray(found)


def check_bound(bound: Float[Array, ""]) -> None:
    """Refuses vectors whose scores are not finite.

    Args:
        bound: of `counting.CountedRanks`.

    Raises:
        RunStoppedError: a bound that is not finite.
    """
    if not np.isfinite(np.asarray(bound)):
        raise RunStoppedError(
            f"the vectors give scores that are not finite (bound {float(bound)}); expected finite vectors. "
            "Lower the learning rate, or go back to the last good checkpoint."
        )


def held_out_ranks(
    vectors: VectorPair, targets: Interactions, *, excluded: Sequence[Interactions] = (), block_size: int | None = None
) -> Int[np.ndarray, " pairs"]:
    """`prepare_ranking` and `ranks` in one call, for a single evaluation; same arguments, result and errors."""
    num_users, num_items = (len(side) for side in vectors)
    plan = prepare_ranking(targets, num_users=num_users, num_items=num_items, excluded=excluded, block_size=block_size)
    return ranks(plan, vectors)


def ranks_from_scores(plan: RankingPlan, score_block: ScoreBlock) -> Int[np.ndarray, " pairs"]:
    """Ranks of all targets for any model that scores all items of a few users.

    Args:
        plan: from `prepare_ranking`.
        score_block: called with ``block_size`` user rows at a time (the last block repeats row 0), gives
            ``batch x items`` scores, float32. It runs outside of any compiled function and may use numpy.

    Returns:
        As `ranks`.

    Raises:
        RunStoppedError: a score that is not finite.
        UsageError: scores of another shape, or a plan with a placement.
    """
    if plan.placement is not None:
        raise UsageError(
            "scores of a function are ranked on one device; found a plan with a placement. Prepare one without."
        )
    tile = tile_size(plan.num_items)
    found = jnp.zeros(len(plan.targets), jnp.int32)
    for step, rows in enumerate(plan.laid_out.blocks.users[0]):
        scores = jnp.asarray(score_block(rows), jnp.float32)
        if scores.shape != (len(rows), plan.num_items):
            raise UsageError(f"scores of shape {scores.shape}; expected {(len(rows), plan.num_items)}: one an item.")
        found, finite = _ranks_of_scores(found, scores, plan.blocks, step, tile=tile, chunk=plan.laid_out.chunk)
        if not finite:
            raise RunStoppedError(f"scores of user rows {rows[0]} to {rows[-1]} are not finite; expected finite ones.")
    return np.asarray(found)


@functools.partial(jax.jit, static_argnames=("tile", "chunk"), donate_argnums=0)
def _ranks_of_scores(
    found: Array, scores: Array, blocks: RankBlocks, step: Array, *, tile: int, chunk: int
) -> tuple[Array, Array]:
    numbers, tiles = in_tiles(blocks.item_numbers, tile, padding=-1), in_tiles(scores.T, tile).swapaxes(1, 2)
    return count_step(found, tiles, numbers, blocks, step, chunk=chunk), jnp.isfinite(scores).all()


__all__ = [
    "RankingPlan",
    "RankingShapes",
    "ScoreBlock",
    "VectorPair",
    "check_bound",
    "held_out_ranks",
    "prepare_ranking",
    "ranks",
    "ranks_from_scores",
]
