"""The summary of a study: every cell's success over its trainings, and which cells differ."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .pairs import holm
from .result import EvalResult
from .seeds_and_episodes import Estimate, estimate
from .stages import count_endings


@dataclass(frozen=True)
class StudyResult:
    """One policy judged in one way."""

    levels: Mapping[str, str]
    """Axis -> level."""
    seed: int
    """Number of the training."""
    judged: str
    """How it was judged."""
    result: EvalResult


@dataclass(frozen=True)
class Row:
    """All trainings of one cell, judged in one way."""

    levels: dict[str, str]
    judged: str
    success: Estimate
    steps: float | None
    """Mean control steps to success."""
    chunk_ms: float
    """Median over trainings of the median latency of a chunk at batch 1 [ms]."""
    evaluations: int
    """Forward passes of the head per chunk."""
    endings: dict[str, int]
    """Stage or outcome in which episodes ended, over all trainings."""
    table: np.ndarray
    """Success of each training (rows) in each episode."""

    @property
    def label(self) -> str:
        """ "head=flow, chunk=8"."""
        return ", ".join(f"{axis}={level}" for axis, level in self.levels.items())


@dataclass(frozen=True)
class Difference:
    """Two cells, judged alike: success of the first minus that of the second."""

    first: str
    second: str
    judged: str
    estimate: Estimate
    p: float
    """Corrected for all pairs judged alike (Holm)."""


def summarise(results: list[StudyResult]) -> tuple[list[Row], list[Difference]]:
    """Rows in the order of the results, and every pair of rows that were judged alike."""
    groups: dict[tuple[Any, ...], list[StudyResult]] = {}
    for one in results:
        groups.setdefault((tuple(one.levels.items()), one.judged), []).append(one)
    rows = [_row(group) for group in groups.values()]
    differences = []
    for judged in dict.fromkeys(row.judged for row in rows):
        pairs = list(itertools.combinations([row for row in rows if row.judged == judged], 2))
        found = [estimate(a.table - b.table) for a, b in pairs]
        corrected = holm([one.p_value for one in found])
        differences += [
            Difference(a.label, b.label, judged, one, p)
            for (a, b), one, p in zip(pairs, found, corrected, strict=True)
        ]
    return rows, differences


def markdown(rows: list[Row], differences: list[Difference]) -> str:
    """A table of the rows, and what can be said about their differences."""
    axes = list(rows[0].levels)
    head = [*axes, "judged", "success", "95 % interval", "trainings x episodes", "from training to training",
            "steps", "ms/chunk", "passes"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        e = row.success
        cells = [
            *row.levels.values(),
            row.judged,
            f"{100 * e.mean:.1f} %",
            f"[{100 * max(e.low, 0):.1f}, {100 * min(e.high, 1):.1f}]",
            f"{e.trainings} x {e.episodes}",
            f"{100 * e.between_trainings:.1f} points" if e.about_trainings else "unknown",
            f"{row.steps:.1f}" if row.steps else "-",
            f"{row.chunk_ms:.1f}",
            str(row.evaluations),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    real = [one for one in differences if one.p < 0.05]
    lines += [
        "",
        f"Of {len(differences)} pairs, {len(real)} differ (5 % in all, Holm):" if differences else "",
    ]
    lines += [
        f"- {one.first} against {one.second} ({one.judged}): {100 * one.estimate.mean:+.1f} points "
        f"[{100 * one.estimate.low:+.1f}, {100 * one.estimate.high:+.1f}], p = {one.p:.2g}"
        for one in real
    ]
    return "\n".join(lines)


def _row(group: list[StudyResult]) -> Row:
    group = sorted(group, key=lambda one: one.seed)
    table = np.array([[e.outcome == "success" for e in one.result.episodes] for one in group], float)
    steps = [e.steps for one in group for e in one.result.episodes if e.outcome == "success"]
    _, counts = count_endings([one.result for one in group])
    return Row(
        levels=dict(group[0].levels),
        judged=group[0].judged,
        success=estimate(table),
        steps=float(np.mean(steps)) if steps else None,
        chunk_ms=float(np.median([one.result.chunk_ms_p50 for one in group])),
        evaluations=group[0].result.evaluations,
        endings=dict(sum(counts, Counter())),
        table=table,
    )
