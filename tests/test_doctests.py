"""The examples in docstrings print what they say, and central functions have one."""

import doctest
import importlib
from pathlib import Path

import pytest

import recgoat_jax.graphs
import recgoat_jax.losses
from recgoat_jax.evaluation import metrics

PACKAGE = Path(recgoat_jax.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
METRICS = ["recall", "precision", "hit_rate", "ndcg", "mrr", "average_precision", "gini"]
GRAPHS = [
    "bipartite_graph",
    "co_occurrence_graph",
    "knn_graph",
    "lightgcn",
    "lightgcn_convolution",
    "mix_graphs",
    "neighbor_graph",
    "propagate",
    "shard_map_graph",
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module: str) -> None:
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *((recgoat_jax.losses, name) for name in recgoat_jax.losses.__all__ if name != "FeatureTransport"),
        *((metrics, name) for name in METRICS),
        *((recgoat_jax.graphs, name) for name in GRAPHS),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_central_function_has_an_example(module, name: str) -> None:
    function = getattr(module, name)
    assert any(test.examples for test in doctest.DocTestFinder(recurse=False).find(function, name))
