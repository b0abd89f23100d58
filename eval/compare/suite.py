"""Comparisons on several tasks in one table."""

from collections.abc import Sequence

from ..result import EXPERT
from ..stats.paired import wilson
from ..table import Cell, Table
from .comparison import Comparison


def suite_table(comparisons: Sequence[Comparison]) -> Table:
    """One row per task and one column per policy; the last row pools all episodes."""
    names = list(dict.fromkeys(name for comparison in comparisons for name in comparison.names))
    rows: list[list[str | Cell]] = []
    for comparison in comparisons:
        rates = [comparison.rate_of(name) for name in names]
        rows.append([comparison.task, *(Cell(rate.counts, rate.percent) if rate else "-" for rate in rates)])
    rows.append(["all", *(_pooled(comparisons, name) for name in names)])
    note = "Success: successful episodes, with 95% intervals (Wilson)."
    return Table(["task", *names], rows, note)


def _pooled(comparisons: Sequence[Comparison], name: str) -> str | Cell:
    rates = [rate for comparison in comparisons if (rate := comparison.rate_of(name))]
    if len(rates) < len(comparisons) and name != EXPERT:
        return "-"
    successes, episodes = sum(rate.result.successes for rate in rates), sum(rate.episodes for rate in rates)
    if not episodes:
        return "-"
    errors = sum(
        rate.result.undecided for rate in rates
    )  # could have gone either way, see `SuccessRate.interval`
    low, high = wilson(successes, episodes)[0], wilson(successes + errors, episodes)[1]
    return Cell(f"{successes}/{episodes}", f"[{100 * low:.1f}, {100 * high:.1f}]%")
