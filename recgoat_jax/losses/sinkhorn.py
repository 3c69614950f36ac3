"""One entropic transport problem with uniform weights and a cost matrix on one device, solved by ott-jax.

Between axes of features the cost is small and the same on every device. Between points see `sharded_sinkhorn`.
"""

import warnings
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from recgoat_jax.losses.reduction import Scalar


class _Ott(NamedTuple):
    """The modules of ott that are used."""

    geometry: ModuleType
    linear_problem: ModuleType
    sinkhorn: ModuleType


def _ott() -> _Ott:
    """Imports ott on first use: it brings flax and optax, which the other losses do not need.

    The import runs outside any trace that is going on, for constants that a module makes when it is loaded would
    otherwise become tracers. jaxopt, which ott loads, announces its own end of life; that is no news to the caller.
    """
    with warnings.catch_warnings(), jax.ensure_compile_time_eval():
        warnings.filterwarnings("ignore", message="JAXopt is no longer maintained", category=DeprecationWarning)
        from ott.geometry import geometry
        from ott.problems.linear import linear_problem
        from ott.solvers.linear import sinkhorn
    return _Ott(geometry, linear_problem, sinkhorn)


def entropic_plan(
    cost: Float[Array, "source target"],
    *,
    epsilon: Scalar,
    num_iterations: int,
) -> Float[Array, "source target"]:
    r"""The plan T of ``min_T <T, C> - epsilon H(T)`` with uniform weights, after a fixed number of Sinkhorn iterations.

    The last update is that of the columns: they sum to their weights up to rounding, and what the iterations have
    not settled shows in the rows. (ott ends on the rows, so the transposed problem is solved.)

    Args:
        cost: C, finite.
        epsilon: entropic regularisation, in the units of the cost.
        num_iterations: iterations, at least 1.

    Returns:
        T, a constant to the gradient.

    Raises:
        ValueError: no iterations.
    """
    if num_iterations < 1:
        raise ValueError(f"num_iterations must be at least 1, got {num_iterations}")
    ott = _ott()
    # A negative threshold and one error check only, at the end: a fixed number of iterations, as a scan.
    solver = ott.sinkhorn.Sinkhorn(
        lse_mode=True,
        threshold=-1.0,
        min_iterations=num_iterations,
        max_iterations=num_iterations,
        inner_iterations=num_iterations,
        implicit_diff=None,
    )
    cost = jax.lax.stop_gradient(cost)
    geometry = ott.geometry.Geometry(cost_matrix=cost.T, epsilon=epsilon)
    problem = ott.linear_problem.LinearProblem(geometry)
    solved = solver(problem)
    target_potential, source_potential = solved.f, solved.g
    exponent = (source_potential[:, None] + target_potential - cost) / epsilon
    return jax.lax.stop_gradient(jnp.exp(exponent))


__all__ = ["entropic_plan"]
