"""The documentation site: ``make docs`` builds it into build/docs.

Nothing is fetched, neither when the site is built nor when it is read. Formulas are MathML, which browsers draw
themselves: docutils, on which sphinx stands, makes it out of LaTeX, so there is no MathJax, from elsewhere or here.

The build fails on a warning; a public name without a docstring, or without a place among the API pages, is one.
"""

import shutil
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

sys.path.insert(0, str(Path(__file__).parent))

import api_pages  # noqa: E402

logger = logging.getLogger(__name__)

project = "recgoat_jax"
author = project_copyright = "The recgoat_jax contributors"
version = release = version_of("recgoat-jax")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["conftest.py"]
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [
    # Names of other packages have no page here.
    ("py:.*", r"(?!recgoat_jax\b).*"),
    # Arguments of commands, which `recgoat --help` documents, and variables of types.
    ("py:class", r"recgoat_jax\.cli\..*"),
    ("py:class", r".*\.Annotated\[.*"),
    ("py:class", r".*\.(Answer|Result|Graph)"),
]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_use_rtype = False

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"

html_theme = "pydata_sphinx_theme"
html_title = f"recgoat_jax {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
# The top level is in the bar above every page.
html_sidebars = {"*": [], "notebooks/*": []}
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
}


def inline_mathml(self: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    self.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def block_mathml(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own."""
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(f"{mathml(node, as_block=True)}</div>\n")
    raise nodes.SkipNode


def mathml(node: nodes.Element, *, as_block: bool) -> str:
    """LaTeX as MathML."""
    try:
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        logger.warning("formula: %s", error, location=node)
        return node.astext()


def skip_tuple_fields(app: Sphinx, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """The class docstring says what the fields of a named tuple are; Python's own words for them do not."""
    del app, what, name, options
    return True if str(getattr(value, "__doc__", "")).startswith("Alias for field number") else None


def warn_of_silence(app: Sphinx, env: BuildEnvironment) -> None:
    """A public name needs a docstring and a place among the API pages."""
    del app
    documented = env.domains.python_domain.objects
    for name, shown in api_pages.documented_names().items():
        if shown not in documented:
            logger.warning("public name %s has no place among the API pages", name)
        elif not api_pages.docstring(shown):
            logger.warning("public name %s has no docstring", name)


def no_types_in_words(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in the docstring of an attribute for its type; not so here."""
    del app, name, value, options
    if what in ("attribute", "data", "property"):
        # An empty comment, in which there is no colon.
        lines[:0] = ["..", ""]


def short_types(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """The type of arrays under the name that one imports."""
    del app, what, name, value, options
    return tuple(text and text.replace("jaxlib._jax.Array", "Array") for text in (signature, returned))


def other_path(app: Sphinx, env: BuildEnvironment, node: pending_xref, inner: nodes.Element) -> nodes.Element | None:
    """A name of a module that a package exports leads to where it is documented."""
    shown = api_pages.documented_names().get(node["reftarget"])
    if shown is None or shown == node["reftarget"]:
        return None
    domain = env.domains.python_domain
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", shown, node, inner)


def write_sources(app: Sphinx) -> None:
    """Pages that are made: the API, and the notebooks, which lie beside the package and not beside the pages."""
    source = Path(app.srcdir)
    api_pages.write_pages(source)
    (source / "notebooks").mkdir(exist_ok=True)
    for notebook in (source.parent / "notebooks").glob("*.ipynb"):
        shutil.copy2(notebook, source / "notebooks" / notebook.name)


def setup(app: Sphinx) -> None:
    """Connects the above."""
    app.add_html_math_renderer("mathml", (inline_mathml, None), (block_mathml, None))
    app.connect("builder-inited", write_sources)
    app.connect("autodoc-process-docstring", no_types_in_words, priority=400)
    app.connect("autodoc-process-signature", short_types)
    app.connect("missing-reference", other_path)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("env-check-consistency", warn_of_silence)
