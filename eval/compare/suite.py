"""Several comparisons, one a task, in one table: how the same policies do from task to task."""

import json
from pathlib import Path

from ...common.files import write_whole
from ..result import EXPERT
from ..stats.paired import wilson
from .comparison import Comparison
from .text_table import aligned


def suite_table(comparisons: list[Comparison]) -> str:
    """Plain text for a terminal: a row for each task, a column for each policy; the last row pools all
    episodes."""
    names = list(dict.fromkeys(name for comparison in comparisons for name in comparison.names))
    rows = [["task", *names]]
    for comparison in comparisons:
        cells = [comparison.cell(name) for name in names]
        rows.append([comparison.task, *(f"{cell.counts} {cell.percent}" if cell else "-" for cell in cells)])
    rows.append(["all", *(_pooled(comparisons, name) for name in names)])
    return aligned(rows, left=len(rows[0]))


def write_suite(folder: Path, comparisons: list[Comparison]) -> Path:
    """Writes `suite.json` and `suite.md` into `folder`; returns the latter's path."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {comparison.task: comparison.to_dict() for comparison in comparisons}
    write_whole(folder / "suite.json", json.dumps(table, indent=1) + "\n")
    write_whole(folder / "suite.md", f"```\n{suite_table(comparisons)}\n```\n")
    return folder / "suite.md"


def _pooled(comparisons: list[Comparison], name: str) -> str:
    cells = [cell for comparison in comparisons if (cell := comparison.cell(name))]
    if len(cells) < len(comparisons) and name != EXPERT:
        return "-"
    successes, episodes = sum(c.result.successes for c in cells), sum(c.episodes for c in cells)
    if not episodes:
        return "-"
    errors = sum(c.result.errors for c in cells)  # could have gone either way, see `SuccessRate.interval`
    low, high = wilson(successes, episodes)[0], wilson(successes + errors, episodes)[1]
    return f"{successes}/{episodes} [{100 * low:.1f}, {100 * high:.1f}] %"
