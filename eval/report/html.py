"""Renders a document as one self-contained HTML page that loads nothing from outside."""

import base64
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from .document import Document, Video

TEMPLATES = Path(__file__).parent / "templates"
LIMIT = 8_000_000
"""Maximum size of a page [bytes]; videos that do not fit stay in files of their own."""
_BASE = 500_000
"""Size reserved for everything but the videos [bytes]."""


def render_html(document: Document) -> str:
    """The page. Text is escaped; only the plots, which are drawn here, and the style sheets are markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    page = environment.get_template("report.html").render(
        document=document,
        style=style_sheet("colors.css") + style_sheet("report.css"),
        embedded=fitting(document.videos),
    )
    return page.strip() + "\n"


def style_sheet(name: str) -> Markup:
    """Loads one of the package's style sheets."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def svg_file(plot: Markup) -> str:
    """A plot of the page as a standalone SVG file."""
    start, rest = plot.split(">", 1)
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    style = f"{style_sheet('colors.css')}svg {{ background: var(--paper); }}\n"
    style += "svg text { font-family: sans-serif !important; }\n"
    return f"{start} {namespaces}><style>\n{style}</style>{rest}"


def fitting(videos: Sequence[Video]) -> list[Video]:
    """The first videos that keep the page below LIMIT."""
    size, chosen = _BASE, []
    for video in videos:
        size += video.path.stat().st_size * 4 // 3
        if size <= LIMIT:
            chosen.append(video)
    return chosen


def _data_uri(mp4: Path) -> str:
    return f"data:video/mp4;base64,{base64.b64encode(mp4.read_bytes()).decode()}"
