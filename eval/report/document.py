"""Document: a report as data, built once by a report's module and rendered as HTML, Markdown, and JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from markupsafe import Markup

from ..table import Table


@dataclass(frozen=True)
class Text:
    """Paragraph."""

    kind: ClassVar = "text"
    text: str
    role: Literal["body", "lead", "note"] = "body"


@dataclass(frozen=True)
class Items:
    """Bulleted list of sentences."""

    kind: ClassVar = "items"
    sentences: Sequence[str]
    highlighted: bool = False
    """Set the list apart, as the conclusions at the top of a report are."""


@dataclass(frozen=True)
class TableBlock:
    """Table of a report."""

    kind: ClassVar = "table"
    table: Table
    prose: bool = False
    """Left-align and wrap the cells, for columns of text rather than numbers."""


@dataclass(frozen=True)
class Figure:
    """Plot with its caption."""

    svg: Markup
    caption: str = ""


@dataclass(frozen=True)
class Figures:
    """Plots side by side, for HTML only; `note` explains them."""

    kind: ClassVar = "figures"
    figures: Sequence[Figure]
    note: str = ""


@dataclass(frozen=True)
class Video:
    """MP4 file with its caption."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Videos:
    """Videos, the most important first. HTML embeds as many of the first ones as fit into the page."""

    kind: ClassVar = "videos"
    videos: Sequence[Video]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """Heading and the blocks below it."""

    kind: ClassVar = "section"
    title: str
    blocks: Sequence["Block"]
    level: Literal[2, 3] = 2
    folded: bool = False
    """Whether the blocks are hidden in HTML until the reader opens the section."""


Block = Text | Items | TableBlock | Figures | Videos | Section


@dataclass(frozen=True)
class Document:
    """Report: what people read (title and blocks) and what programs read (numbers)."""

    title: str
    blocks: Sequence[Block]
    numbers: dict[str, Any] = field(repr=False)
    """Contents of the JSON file."""
    picture: Markup | None = None
    """Plot of the Markdown file, which holds no other; stored beside it as SVG."""

    @property
    def videos(self) -> list[Video]:
        """All videos, the most important first."""
        return [video for block in _flat(self.blocks) if isinstance(block, Videos) for video in block.videos]

    def with_videos(self, videos: Videos) -> "Document":
        """Copies the report with `videos` in place of its (empty) `Videos` blocks."""
        return replace(self, blocks=[_with_videos(block, videos) for block in self.blocks])


def _flat(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Section):
            yield from _flat(block.blocks)


def _with_videos(block: Block, videos: Videos) -> Block:
    if isinstance(block, Section):
        return replace(block, blocks=[_with_videos(inner, videos) for inner in block.blocks])
    return videos if isinstance(block, Videos) else block
