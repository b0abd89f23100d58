"""Renders a document as Markdown, with one picture beside it in place of the page's plots and videos."""

import re
from collections.abc import Sequence

from ..table import Cell, Table
from .document import Block, Document, Figures, Items, Section, TableBlock, Text, Videos


def render_markdown(document: Document, picture: str = "") -> str:
    """The document; a section whose blocks are all for HTML only is left out.

    Args:
        picture: file name of the document's picture.
    """
    parts = [f"# {_escaped(document.title)}", *map(_block, document.blocks)]
    if document.picture is not None:
        first = next((i for i, b in enumerate(document.blocks) if isinstance(b, Section)), len(parts))
        parts.insert(first + 1, f"![Success]({picture})")
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(table: Table) -> str:
    """A Markdown table, without its note."""
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _block(block: Block) -> str:
    match block:
        case Text():
            return _escaped(block.text)
        case Items():
            return "\n".join(f"- {_escaped(sentence)}" for sentence in block.sentences)
        case TableBlock() if block.table.rows:
            return f"{markdown_table(block.table)}\n\n{_escaped(block.table.note)}".rstrip()
        case Videos() if block.videos:
            lines = [f"- {video.path.name}: {video.caption}" for video in block.videos]
            return _escaped("\n".join([block.note, "", *lines]))
        case Section():
            content = _blocks(block.blocks)
            return f"{'#' * block.level} {_escaped(block.title)}\n\n{content}" if content else ""
        case TableBlock() | Videos() | Figures():
            return ""


def _blocks(blocks: Sequence[Block]) -> str:
    return "\n\n".join(part for part in map(_block, blocks) if part)


def _cell(cell: str | Cell) -> str:
    text = _escaped(str(cell)).replace("|", "\\|")
    if isinstance(cell, Cell) and cell.strong:
        return f"**{text}**"
    return f"`{text}`" if isinstance(cell, Cell) and cell.code else text


def _escaped(text: str) -> str:
    """`text` without HTML: a policy may have any name."""
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)
