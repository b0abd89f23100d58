"""Sphinx configuration of the documentation; `make docs` builds it into build/docs.

Nothing is fetched while it is built or read: the theme brings its scripts, and search runs in the browser.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "vlasandbox"
copyright = "the vlasandbox contributors"
release = version = version_of("vlasandbox")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "markdown_docstrings",  # before napoleon, which makes lists of Args and Raises
    "sphinx.ext.napoleon",
    "repository_links",
    "generated_reference",
]
exclude_patterns = ["_ext"]

html_theme = "furo"
html_title = "vlasandbox"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False

# Headings can be linked to by their text: [](page.md#a-heading).
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True
pygments_style = "friendly"
pygments_dark_style = "monokai"

OVERVIEWS = ("systems/README", "findings/README")
"""Pages whose folder's other pages stand below them in the navigation."""


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _list_folder)


def _list_folder(app: Any, docname: str, source: list[str]) -> None:
    if docname in OVERVIEWS:
        source[0] += "\n\n```{toctree}\n:hidden:\n:glob:\n\n*\n*/results\n```\n"
