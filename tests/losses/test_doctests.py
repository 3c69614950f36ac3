import doctest
import importlib
import pkgutil

import pytest

import recgoat_jax.losses

MODULES = [
    "recgoat_jax.losses",
    *(f"recgoat_jax.losses.{found.name}" for found in pkgutil.iter_modules(recgoat_jax.losses.__path__)),
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module: str) -> None:
    results = doctest.testmod(importlib.import_module(module))
    assert results.failed == 0


@pytest.mark.parametrize("name", [name for name in recgoat_jax.losses.__all__ if name != "FeatureTransport"])
def test_every_function_has_an_example(name: str) -> None:
    function = getattr(recgoat_jax.losses, name)
    assert any(test.examples for test in doctest.DocTestFinder(recurse=False).find(function, name))
