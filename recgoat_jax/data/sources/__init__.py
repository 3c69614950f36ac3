"""Sources: one reader a file, each from files of one kind (or from a generator) to `RawTables`.

Nothing is imported here: import the source that you need, ``from recgoat_jax.data.sources import table``.
"""
