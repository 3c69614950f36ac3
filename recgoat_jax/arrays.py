"""The vocabulary of shapes: axis names and array aliases used throughout the library.

Importing this module loads numpy and jaxtyping only, never JAX, so that the data layer can use it.

Axis names (jaxtyping shape strings):

======================  ===========================================================================
name                    meaning
======================  ===========================================================================
``users``, ``items``    rows of the user and item vocabularies
``nodes``               users first, then items, of a bipartite graph; or the nodes of any graph
``edges``               directed edges, sorted by receiver
``pairs``               (user, item) interactions
``batch``               examples of one training step
``rows``                rows of any table
``dim``                 width of a representation
``feature``             width of a raw feature table
``heads``               attention heads
``slots``               rows of a table that one device holds
``texts``, ``tokens``   texts of a batch, and places of their tokens, padding counted
``images``              pictures of a batch
======================  ===========================================================================

Axes of a device mesh: examples are spread over both, tables over the second.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

RowIds = Int[np.ndarray, " pairs"]
"""Vocabulary rows (int32), one a pair."""

PresentMask = Bool[np.ndarray, " rows"]
"""True where a row holds real data; False where it is missing."""

FeatureValues = Float[np.ndarray, "rows feature"]
"""float32 feature matrix aligned with a vocabulary."""

DATA_AXIS = "data"
"""Mesh axis whose devices hold the same rows of every table, and different examples."""

ROWS_AXIS = "rows"
"""Mesh axis that the rows of tables and graphs are spread over, and examples as well."""

EXAMPLE_AXES = (DATA_AXIS, ROWS_AXIS)
"""Mesh axes that the examples of a batch are spread over."""

__all__ = ["DATA_AXIS", "EXAMPLE_AXES", "ROWS_AXIS", "FeatureValues", "PresentMask", "RowIds"]
