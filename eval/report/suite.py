"""Report of a suite: the same policies on several tasks, one row per task."""

from collections.abc import Sequence
from pathlib import Path

from ..compare.comparison import Comparison
from ..compare.suite import suite_table
from .document import Document, TableBlock, Text
from .write import write_document


def write_suite(folder: Path, comparisons: Sequence[Comparison]) -> Path:
    """Writes suite.html, suite.md, and suite.json into `folder`; returns the path of the page."""
    return write_document(suite_report(comparisons), folder, "suite")


def suite_report(comparisons: Sequence[Comparison]) -> Document:
    """Builds the report of a suite."""
    table = suite_table(comparisons)
    return Document(
        f"{', '.join(table.head[1:])} on {len(comparisons)} tasks",
        [
            Text("Simulated episodes under the test condition; all policies run on the same seeds.", "lead"),
            TableBlock(table),
        ],
        {comparison.task: comparison.to_dict() for comparison in comparisons},
    )
