"""Table: rows of cells, as reports and the terminal show them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """Text of one table cell, where a plain string is not enough."""

    text: str
    detail: str = ""
    """Second line, in small print."""
    strong: bool = False
    """Print `text` in bold."""
    code: bool = False
    """Print `text` in a monospaced font."""

    def __str__(self) -> str:
        """Text and detail on one line: "45/50 [78.6, 95.7]%"."""
        return f"{self.text} {self.detail}" if self.detail else self.text


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; the first column names the row."""

    head: Sequence[str]
    """Column titles; all empty for a list of names and values."""
    rows: Sequence[Sequence[str | Cell]]
    note: str = ""
    """Explanation of the columns, printed below the table."""

    def aligned(self, left: int = 1) -> str:
        """The table as plain text for a terminal, without the note.

        Args:
            left: number of leading columns aligned to the left; the others are aligned to the right.
        """
        rows = [[str(cell) for cell in row] for row in (self.head, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ["-" * width for width in widths])
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < left else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )
