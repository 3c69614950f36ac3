"""``recgoat`` with one entry of one parameter moved to the next number at the start: what rounding does to a run.

    python -m experiments.benchmarks.moved_bit train EXPERIMENT ...

The parameter is the one whose path holds the value of RECGOAT_MOVED, by default the largest.
"""

import os
import sys
from typing import Any

import jax
import jax.numpy as jnp

from recgoat_jax.cli.main import main as recgoat
from recgoat_jax.training.mesh import path_names
from recgoat_jax.training.step import Program


def moved(params: Any, wanted: str) -> Any:
    """The parameters, the first entry of one of them moved upwards by one bit.

    Args:
        params: a tree of arrays.
        wanted: part of the path of the parameter, its names joined by "/".

    Returns:
        The same tree.

    Raises:
        ValueError: no such parameter.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(params)
    leaves = [leaf for _, leaf in paths]
    fitting = [number for number, (path, _) in enumerate(paths) if wanted in path_names(path)]
    if not fitting:
        raise ValueError(f"found no parameter '{wanted}'; expected one of {[path_names(path) for path, _ in paths]}.")
    number = max(fitting, key=lambda position: leaves[position].size)
    first = (0,) * leaves[number].ndim
    leaves[number] = leaves[number].at[first].set(jnp.nextafter(leaves[number][first], jnp.inf))
    return jax.tree.unflatten(structure, leaves)


def main() -> int:
    """Runs ``recgoat`` with the arguments of this program."""
    fresh_state = Program.fresh_state
    wanted = os.environ.get("RECGOAT_MOVED", "")
    Program.fresh_state = lambda self, params, root: fresh_state(self, moved(params, wanted), root)
    return recgoat(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
