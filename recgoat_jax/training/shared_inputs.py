"""Arrays laid out for a mesh, written once by the first process and read by each process in its part.

A directory that all processes see holds one raw file an array and, written last, an index: shapes, types, and how the
arrays make up graphs and tables. What a process reads of a spread array is the rows of its own devices. Every start has
a directory of its own, so that nothing of an earlier one, with other code or data, is ever read.
"""

import json
import math
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from etils import epath
from flax import nnx
from jaxtyping import Shaped

from recgoat_jax.errors import RecgoatError
from recgoat_jax.evaluation.rank_blocks import RankBlocks
from recgoat_jax.graphs.adjacency import Adjacency, CompressedRows
from recgoat_jax.graphs.halo import HaloGraph
from recgoat_jax.graphs.sharded_adjacency import ExchangeEntries, RingEntries, ShardedAdjacency
from recgoat_jax.training import hosts
from recgoat_jax.training.buckets import write_whole
from recgoat_jax.training.mesh import map_variables
from recgoat_jax.training.spread_batches import DealtPairs

INDEX = "index.json"
"""File that says what the laid-out inputs are."""
_FAILURE = "failure.json"

_TYPES = {
    kind.__name__: kind
    for kind in (
        Adjacency,
        CompressedRows,
        DealtPairs,
        ExchangeEntries,
        HaloGraph,
        RankBlocks,
        RingEntries,
        ShardedAdjacency,
    )
}
"""What a value may be made of, beside arrays and None."""


def new_directory(parent: epath.Path) -> epath.Path:
    """The directory of this start; those of earlier ones, which were killed, are removed.

    Args:
        parent: where they lie; all processes see it.

    Returns:
        The directory, the same on every process; not made yet.
    """

    def begin() -> str:
        if parent.exists():
            parent.rmtree()
        return uuid.uuid4().hex

    return parent / str(hosts.on_first(begin))


def write_inputs(directory: epath.Path, values: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Writes arrays, the index last: a directory with an index is complete.

    Args:
        directory: of this start; made.
        values: by name: arrays of the host, and what is made of them.
        facts: what else readers have to know, as JSON values.
    """
    directory.mkdir(parents=True, exist_ok=True)
    described = {name: _written(directory, name, value) for name, value in values.items()}
    write_whole(directory / INDEX, json.dumps({"facts": dict(facts), "values": described}))


def write_failure(directory: epath.Path, error: RecgoatError) -> None:
    """Tells those who wait for the index that it will not come."""
    write_whole(directory / _FAILURE, json.dumps(hosts.failure_of(error)))


def _written(directory: epath.Path, name: str, value: Any) -> Any:
    """Writes the arrays of a value; returns its description for the index."""
    if value is None:
        return None
    if type(value).__name__ in _TYPES:
        fields = {field: _written(directory, f"{name}.{field}", part) for field, part in value._asdict().items()}
        return {"type": type(value).__name__, "fields": fields}
    array = np.ascontiguousarray(value)
    file = f"{name.replace('/', '.')}.raw"
    (directory / file).write_bytes(array.tobytes())
    return {"file": file, "shape": list(array.shape), "dtype": array.dtype.name}


class SharedInputs:
    """A directory that `write_inputs` has filled.

    Args:
        directory: the directory, complete.
    """

    def __init__(self, directory: epath.Path) -> None:
        self._directory = directory
        index = json.loads((directory / INDEX).read_text())
        self.facts: Mapping[str, Any] = index["facts"]
        self._values: Mapping[str, Any] = index["values"]

    @classmethod
    def when_complete(cls, directory: epath.Path) -> "SharedInputs":
        """Waits for the first process; if that has gone, JAX's service ends this one.

        Raises:
            RecgoatError: the first process could not write them; see `recgoat_jax.training.hosts.on_first`.
        """
        while not (directory / INDEX).exists():
            if (directory / _FAILURE).exists():
                raise hosts.told_error(json.loads((directory / _FAILURE).read_text()))
            time.sleep(0.2)
        return cls(directory)

    def whole(self, name: str) -> Shaped[np.ndarray, "..."]:
        """An array in full, on the host."""
        described = self._values[name]
        return self._rows(described, slice(0, described["shape"][0]))

    def spread(self, name: str, shardings: Any) -> Any:
        """A value over the mesh: this process reads the rows of its devices.

        Args:
            name: as it was written.
            shardings: one for all arrays of the value; or of a NamedTuple, one a field.

        Returns:
            The value, of JAX arrays.
        """
        return self._placed(self._values[name], shardings)

    def _placed(self, described: Any, shardings: Any) -> Any:
        if described is None:
            return None
        if "type" in described:
            each = shardings if isinstance(shardings, tuple) else None
            return _TYPES[described["type"]](
                *(
                    self._placed(part, shardings if each is None else getattr(each, field))
                    for field, part in described["fields"].items()
                )
            )
        return jax.make_array_from_callback(
            tuple(described["shape"]), shardings, lambda index: self._part(described, index)
        )

    def _part(self, described: Mapping[str, Any], index: Any) -> Shaped[np.ndarray, "..."]:
        rows, *others = index
        return self._rows(described, rows)[(slice(None), *others)]

    def _rows(self, described: Mapping[str, Any], rows: slice) -> Shaped[np.ndarray, "..."]:
        """Some rows, by the leading axis, and nothing else of the file."""
        shape, kind = described["shape"], np.dtype(described["dtype"])
        start, stop, _ = rows.indices(shape[0])
        width = math.prod(shape[1:]) * kind.itemsize
        with (self._directory / described["file"]).open("rb") as file:
            file.seek(start * width)
            data = file.read((stop - start) * width)
        return np.frombuffer(data, kind).reshape(stop - start, *shape[1:])

    def state(self, prefix: str, like: nnx.State, shardings: Any) -> nnx.State:
        """Variables of a model.

        Args:
            prefix: name under which they were written, followed by their paths.
            like: variables of a model of the same settings, whatever their values.
            shardings: from the path of a variable to its sharding.

        Returns:
            The variables, over the mesh.
        """
        return map_variables(like, lambda path, _: self.spread(f"{prefix}/{path}", shardings(path)))


def state_values(prefix: str, state: nnx.State) -> dict[str, Any]:
    """The variables of a state for `write_inputs`."""
    return {f"{prefix}/{'/'.join(map(str, path))}": variable.get_value() for path, variable in nnx.to_flat_state(state)}


__all__ = ["INDEX", "SharedInputs", "new_directory", "state_values", "write_failure", "write_inputs"]
