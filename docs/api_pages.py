"""The API pages: one a package, written from the ``__all__`` of its modules before sphinx reads its sources.

A name that a package exports is documented under the package, ``recgoat_jax.losses.info_nce``; other names under their
module. Each is there once.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

import recgoat_jax

FOLDER = "api"


@cache
def public_modules() -> list[ModuleType]:
    """All modules of the package without an underscore in their path, each package before what it holds."""
    found = pkgutil.walk_packages(recgoat_jax.__path__, "recgoat_jax.")
    names = ["recgoat_jax", *(one.name for one in found if "._" not in one.name)]
    return [importlib.import_module(name) for name in names]


def is_package(module: ModuleType) -> bool:
    """Whether the module holds others."""
    return hasattr(module, "__path__")


def exported(module: ModuleType) -> tuple[str, ...]:
    """The public names of a module."""
    return tuple(getattr(module, "__all__", ()))


def is_data(value: object) -> bool:
    """Whether autodoc has to look for the docstring beside the value: constants and aliases of types."""
    if inspect.isclass(value):
        return not value.__module__.startswith("recgoat_jax")
    return not (inspect.isroutine(value) or hasattr(value, "__wrapped__"))


@cache
def documented_names() -> dict[str, str]:
    """Every public name, ``module.name``, to the name that it is documented under."""
    modules = public_modules()
    return {
        f"{module.__name__}.{name}": f"{_home(module, name, modules).__name__}.{name}"
        for module in modules
        for name in exported(module)
    }


def docstring(name: str) -> str:
    """Of a documented name: of the object, or for constants and aliases the string beside it."""
    module, _, own = name.rpartition(".")
    value = getattr(importlib.import_module(module), own)
    if is_data(value):
        return "\n".join(_strings_beside(module).get(("", own), []))
    text = value.__doc__ or ""
    # What dataclass writes where there is none.
    return "" if text.startswith(f"{own}(") else text


def _strings_beside(module: str) -> dict[tuple[str, str], list[str]]:
    return ModuleAnalyzer.for_module(module).find_attr_docs()


def _home(module: ModuleType, name: str, modules: list[ModuleType]) -> ModuleType:
    """The module under which a name is documented.

    A constant is where its docstring is. Anything else is with the nearest package that exports it.
    """
    value = getattr(module, name)
    having = [m for m in modules if name in exported(m) and getattr(m, name) is value]
    if is_data(value):
        return next((m for m in having if ("", name) in _strings_beside(m.__name__)), module)
    packages = [m for m in having if is_package(m) and value.__module__.startswith(f"{m.__name__}.")]
    defining = [m for m in having if m.__name__ == value.__module__]
    return next(reversed(packages), next(iter(defining), module))


def write_pages(source: Path) -> list[Path]:
    """Writes the pages; one whose text did not change is left alone, so that sphinx does not read it again.

    Args:
        source: folder of the documentation.

    Returns:
        The pages.
    """
    modules = public_modules()
    shown = documented_names()
    pages = {"index": _index(modules)}
    for package in modules:
        if is_package(package):
            pages[package.__name__] = "\n".join(_package_page(package, modules, shown))
    folder = source / FOLDER
    folder.mkdir(exist_ok=True)
    for stale in set(folder.glob("*.rst")) - {folder / f"{name}.rst" for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return [folder / f"{name}.rst" for name in pages]


def _index(modules: list[ModuleType]) -> str:
    packages = [module for module in modules if is_package(module)]
    lines = [*_heading("API", "="), "One page a package, from the docstrings.", ""]
    lines += [".. list-table::", "   :widths: auto", ""]
    for package in packages:
        lines += [f"   * - :doc:`{package.__name__}`", f"     - {_first_line(package)}"]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {package.__name__}" for package in packages)]
    return "\n".join(lines) + "\n"


def _package_page(package: ModuleType, modules: list[ModuleType], shown: dict[str, str]) -> Iterator[str]:
    yield from _heading(package.__name__, "=")
    yield from _module(package, shown)
    prefix = f"{package.__name__}."
    elsewhere = []
    for name in exported(package):
        target = shown[f"{prefix}{name}"]
        if target.startswith(prefix):
            yield from _entry(target, getattr(package, name))
        else:
            elsewhere.append(f":py:obj:`{target}`")
    if elsewhere:
        yield from (f"Also here: {', '.join(elsewhere)}.", "")
    done = {shown[f"{prefix}{name}"] for name in exported(package)}
    for module in modules:
        if is_package(module) or module.__name__.rpartition(".")[0] != package.__name__:
            continue
        yield from _heading(module.__name__.removeprefix(prefix), "-")
        yield from _module(module, shown)
        for name in exported(module):
            target = f"{module.__name__}.{name}"
            if shown[target] == target and target not in done:
                yield from _entry(target, getattr(module, name))
        above = [name for name in exported(module) if shown[f"{module.__name__}.{name}"] in done]
        if above:
            links = ", ".join(f":py:obj:`~{shown[f'{module.__name__}.{name}']}`" for name in above)
            yield from (f"Above, under ``{package.__name__}``: {links}.", "")


def _entry(target: str, value: object) -> Iterator[str]:
    if inspect.isclass(value) and not is_data(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        yield from (f".. auto{kind}:: {target}", "   :members:", "   :special-members: __call__", "")
    elif is_data(value):
        yield from (f".. autodata:: {target}", "")
    else:
        yield from (f".. autofunction:: {target}", "")


def _module(module: ModuleType, shown: dict[str, str]) -> tuple[str, ...]:
    """The docstring of a module; where a function has its whole name, the index has the function."""
    hidden = ("   :no-index:",) if module.__name__ in shown.values() else ()
    return (f".. automodule:: {module.__name__}", "   :no-members:", *hidden, "")


def _heading(text: str, line: str) -> tuple[str, ...]:
    return (text, line * len(text), "")


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]
