"""A self-contained HTML page: elements that escape their own text, one style sheet, nothing from outside."""

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path


class Markup(str):
    """Finished HTML; every other string is text and gets escaped."""


Content = str | Markup | Iterable["Content"]

_VOID = {"meta", "br", "img"}


def element(tag: str, *content: Content, **attributes: str | bool) -> Markup:
    """`<tag attribute="...">content</tag>`; `class_` is class, True an attribute without value, False none.

    element("p", "a < b", class_="note") -> <p class="note">a &lt; b</p>
    """
    written = [
        f" {name.rstrip('_')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for name, value in attributes.items()
        if value is not False
    ]
    opening = f"<{tag}{''.join(written)}>"
    return Markup(opening if tag in _VOID else f"{opening}{_join(content)}</{tag}>")


def _join(content: Content) -> str:
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return html.escape(content)
    return "".join(_join(part) for part in content)


def section(title: str, *content: Content) -> Markup:
    """A heading and what stands under it."""
    return element("section", element("h2", title), *content)


def table(head: Sequence[Content], rows: Iterable[Sequence[Content]], note: str = "") -> Markup:
    """A table that scrolls sideways on a narrow screen, with a note below; the first column names the row."""
    head_row = element("tr", [element("th", cell, scope="col") for cell in head])
    body = [
        element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]])
        for row in rows
    ]
    grid = element("table", element("thead", head_row), element("tbody", body))
    # Reachable by keyboard, or it could not be scrolled without a mouse.
    scroll = element("div", grid, class_="scroll", tabindex="0")
    return Markup(scroll + (element("p", note, class_="note") if note else ""))


def figure(picture: Markup, caption: str) -> Markup:
    """A picture with a sentence under it."""
    return element("figure", picture, element("figcaption", caption))


def video(mp4: Path, caption: str) -> Markup:
    """The video itself, inside the page."""
    data = base64.b64encode(mp4.read_bytes()).decode()
    player = element(
        "video", src=f"data:video/mp4;base64,{data}", controls=True, loop=True, muted=True, playsinline=True,
        preload="metadata",
    )  # fmt: skip
    return figure(player, caption)


def svg_file(plot: Markup) -> str:
    """A plot of the page as a file of its own."""
    start, rest = plot.split(">", 1)
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    style = COLORS + "svg { background: var(--paper); } svg text { font-family: sans-serif !important; }"
    return f"{start} {space}>{element('style', Markup(style))}{rest}"


def document(title: str, *content: Content) -> str:
    """The whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    return (
        "<!doctype html>\n"
        + element("html", head, element("body", element("main", *content)), lang="en")
        + "\n"
    )


COLORS = """
:root { --paper: #fff; --panel: #f5f6f8; --ink: #1b1f24; --faint: #5c6570; --rule: #d8dce1;
  --blue: #0072b2; --orange: #e69f00; --bluish-green: #009e73; --vermillion: #d55e00;
  --reddish-purple: #cc79a7; --sky-blue: #56b4e9; --yellow: #d8c800; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --panel: #1d2126; --ink: #e6e8eb;
  --faint: #9aa3ad; --rule: #363c44; --blue: #4aa3df; --bluish-green: #2cc295; --vermillion: #f07a2e;
  --yellow: #f0e442; } }
"""
"""Variables, which the plots use too: all follow the reader's light or dark mode."""
STYLE = (
    COLORS
    + """* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p, li, figcaption { max-width: 46rem; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; }
.lead, figcaption, .note { color: var(--faint); }
.note, figcaption { font-size: .875rem; }
.verdicts { background: var(--panel); border-radius: .5rem;
  padding: .75rem 1rem .75rem 2rem; margin: 1.25rem 0; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: right; padding: .4rem .5rem; border-bottom: 1px solid var(--rule); white-space: nowrap;
  vertical-align: top; }
th:first-child { text-align: left; padding-left: 0; font-weight: 600; position: sticky; left: 0;
  background: var(--paper); }
thead th { font-weight: 500; color: var(--faint); vertical-align: bottom; white-space: normal; }
td small { display: block; color: var(--faint); }
.protocol td { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr));
  gap: 1.5rem 1.25rem; align-items: start; margin: 1rem 0; }
figure { margin: 1rem 0; min-width: 0; }
figure svg { width: 100%; height: auto; max-width: 34rem; display: block; }
.figures figure { margin: 0; }
svg text { font-family: system-ui, sans-serif !important; }
video { width: 100%; height: auto; display: block; border-radius: .35rem; background: #16191d; }
figcaption { margin-top: .4rem; }
code { font-size: .875em; }
@media (max-width: 40rem) { main { padding: 1.25rem 1rem 3rem; } h1 { font-size: 1.4rem; } }
"""
)
