"""Writes a document as NAME.html for people, NAME.md for a repository, and NAME.json for programs."""

import json
from pathlib import Path
from typing import Any

from ...common.files import write_whole
from .document import Document
from .html import render_html, svg_file
from .markdown import render_markdown


def write_document(document: Document, folder: Path, name: str) -> Path:
    """Writes the document into `folder`, each file whole or not at all; NAME.svg if it has a picture.

    Returns:
        Path of the HTML page.
    """
    write_whole(folder / f"{name}.json", render_json(document.numbers))
    if document.picture is not None:
        write_whole(folder / f"{name}.svg", svg_file(document.picture))
    write_whole(folder / f"{name}.md", render_markdown(document, picture=f"{name}.svg"))
    write_whole(folder / f"{name}.html", render_html(document))
    return folder / f"{name}.html"


def render_json(numbers: dict[str, Any]) -> str:
    """Strict JSON: infinity and NaN are refused."""
    return json.dumps(numbers, indent=1, allow_nan=False) + "\n"
