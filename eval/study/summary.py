"""The summary of a study: every cell's success over its trainings, its place, and what differs.

A cell's place among n cells is an interval: from one plus the number of cells that differ from it and are
better, to n minus the number of those that are worse. As Holm's correction keeps the chance of any false
difference at 5 %, all places of one way of judging hold at once with 95 % confidence (Mogstad, Romano, Shaikh
and Wilhelm, "Inference for ranks", Review of Economic Studies 2024, with stepwise tests).
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..compare.motion import MotionMetrics, mean_measures, measures
from ..compare.stages import count_endings
from ..result import EvalResult
from ..stats.pairwise import ALPHA, group_letters, holm
from ..stats.random_effects import Dispersion, Estimate, dispersions, estimate
from ..training_record import TrainingRecord

LETTERS = 6
"""Of one cell; groups that overlap more than that are not legible as letters, and places say enough."""
JUDGED = "judged"
"""Name of the axis of the ways of judging."""
ANSWERS = ("yes", "no", "on", "off", "none")
"""Levels that need their axis beside them."""


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
    training: TrainingRecord | None = None
    """How it was trained, if that is known: for costs and learning curves."""


@dataclass(frozen=True)
class Row:
    """All trainings of one cell, judged in one way."""

    name: str
    """Of the cell, in words: "flow · chunk 8", without what is the same in all cells or tuned."""
    levels: dict[str, str]
    judged: str
    task: str
    success: Estimate
    steps: float | None
    """Mean control steps to success."""
    chunk_ms: float
    """Median over trainings of the median latency of a chunk at batch 1 [ms]; nan if not measured."""
    evaluations: int
    """Forward passes of the head per chunk."""
    endings: Counter[str]
    """Stage or outcome in which episodes ended, over all trainings, best first."""
    table: np.ndarray = field(repr=False)
    """Success of each training (rows) in each episode, 0.0 or 1.0."""
    results: list[EvalResult] = field(repr=False)
    """One of each training."""
    trainings: list[TrainingRecord] = field(repr=False)
    """Those that are known."""
    group: str = ""
    """Rows judged alike that share a letter are not distinguishable; "" if it takes too many of them."""
    places: tuple[int, int] = (1, 1)
    """First and last place among the rows judged alike that the data allow."""

    @property
    def label(self) -> str:
        """ "head=flow, chunk=8"."""
        return _label(self.levels)

    @property
    def way(self) -> str:
        """How it was judged, be that what is compared or not."""
        return self.levels.get(JUDGED, self.judged)

    @property
    def seeds(self) -> list[int]:
        """Of the episodes."""
        return [episode.seed for episode in self.results[0].episodes]

    @cached_property
    def measures(self) -> MotionMetrics:
        """How its policies moved: means over the trainings, and all their episodes by mode."""
        return mean_measures([measures(result) for result in self.results])

    @property
    def cpu_minutes(self) -> float | None:
        """Of one training, the mean; None if it is not known."""
        seconds = [training.cpu_seconds for training in self.trainings]
        return sum(seconds) / len(seconds) / 60 if seconds else None

    @property
    def open_loop(self) -> float | None:
        """Open-loop error, the mean over the trainings; None if it is not known."""
        errors = [one.open_loop for one in self.trainings if one.open_loop is not None]
        return sum(errors) / len(errors) if errors else None

    @property
    def holds_hz(self) -> float:
        """Control rate that it can hold, the median over trainings [Hz]; nan if latency was not measured."""
        return float(np.median([result.holds_hz for result in self.results]))

    @property
    def interval(self) -> tuple[float, float]:
        """Of the success rate, in [0, 1]."""
        return max(self.success.low, 0.0), min(self.success.high, 1.0)


@dataclass(frozen=True)
class Difference:
    """Success of one thing minus that of another."""

    first: str
    second: str
    within: str
    """What they have in common: the way of judging of two cells, or the cell of two ways of judging."""
    estimate: Estimate
    p: float
    """Corrected for all pairs with this in common (Holm)."""
    tests: int
    """Their number."""
    table: np.ndarray = field(repr=False)
    """Difference of each training (rows) in each shared episode."""

    @property
    def real(self) -> bool:
        """Whether the corrected test calls it so."""
        return self.p < ALPHA


@dataclass(frozen=True)
class Summary:
    """What a study found."""

    rows: list[Row]
    """In the order of the results."""
    differences: list[Difference]
    """Every pair of cells that were judged alike."""
    ways: list[Difference]
    """Every pair of ways of judging one cell."""
    tuned: str | None = None
    """An axis that is not compared: each cell took its level on validation seeds."""
    experts: Sequence[EvalResult] = ()
    """What the scripted expert does, for comparison of how it moves."""

    @property
    def judged(self) -> list[str]:
        """The ways of judging."""
        return list(dict.fromkeys(row.judged for row in self.rows))

    @property
    def trained(self) -> dict[str, Row]:
        """By name, one row for each set of trainings, however it was judged."""
        rows = {tuple(map(id, row.trainings)): row for row in self.rows}
        return {row.name if len(rows) > 1 else "all rows": row for row in rows.values()}

    def ranking(self, judged: str) -> list[Row]:
        """The rows judged in this way, the most successful first."""
        return sorted((row for row in self.rows if row.judged == judged), key=lambda row: -row.success.mean)


def summarise(
    results: Sequence[StudyResult], tuned: str | None = None, experts: Sequence[EvalResult] = ()
) -> Summary:
    """Rows, differences, letters and places.

    If there is one cell alone, judged in several ways, these are compared as if they were cells: levels of an
    axis JUDGED, with the cell as what they have in common.

    Args:
        tuned: the axis whose level each cell took on validation seeds.
        experts: results of the scripted expert.

    Raises:
        ValueError: rows to compare share fewer than two episode seeds.
    """
    if len({tuple(one.levels.items()) for one in results}) == 1 and len({one.judged for one in results}) > 1:
        results = [
            replace(one, levels={JUDGED: one.judged}, judged=_label(one.levels) or "the only cell")
            for one in results
        ]
    groups: dict[tuple[Any, ...], list[StudyResult]] = {}
    for one in results:
        groups.setdefault((one.judged, *one.levels.items()), []).append(one)
    groups = {key: sorted(group, key=lambda one: one.seed) for key, group in groups.items()}
    tables = {key: _table(group) for key, group in groups.items()}
    shared = _shared(tables)
    called = names([group[0].levels for group in groups.values()], tuned)
    rows = [
        _row(name, group, tables[key], shared[key])
        for name, (key, group) in zip(called, groups.items(), strict=True)
    ]
    differences = _differences(rows, by="judged", of="label")
    for judged in dict.fromkeys(row.judged for row in rows):
        alike = [one for one in differences if one.within == judged]
        ranked = sorted((row for row in rows if row.judged == judged), key=lambda row: -row.success.mean)
        letters = group_letters([row.label for row in ranked], alike)
        if max(map(len, letters.values())) > LETTERS:
            letters = dict.fromkeys(letters, "")
        for i, row in enumerate(rows):
            if row.judged == judged:
                rows[i] = replace(
                    row, group=letters[row.label], places=_places(row.label, len(ranked), alike)
                )
    return Summary(rows, differences, _differences(rows, by="label", of="judged"), tuned, experts)


def _label(levels: Mapping[str, str]) -> str:
    return ", ".join(f"{axis}={level}" for axis, level in levels.items())


def names(cells: Sequence[Mapping[str, str]], tuned: str | None) -> list[str]:
    """In words, by the levels in which the cells differ, the tuned ones left out; by all if in none."""
    apart = [axis for axis in cells[0] if axis != tuned and len({levels[axis] for levels in cells}) > 1]
    return [" · ".join(in_words(axis, levels[axis]) for axis in apart or levels) for levels in cells]


def in_words(axis: str, level: str) -> str:
    """A level as part of a name: "flow", but "chunk 8", "rate 5 Hz" (of "rate [Hz]") and "noise yes"."""
    bare = level in ANSWERS or level.replace(".", "", 1).replace("e-", "", 1).isdigit()
    name, _, unit = axis.removesuffix("]").partition(" [")
    return f"{name} {level} {unit}".rstrip() if bare else level


def _table(group: Sequence[StudyResult]) -> np.ndarray:
    """See `Row.table`."""
    return np.array([[e.outcome == "success" for e in one.result.episodes] for one in group], float)


def _shared(tables: Mapping[tuple[Any, ...], np.ndarray]) -> dict[tuple[Any, ...], Dispersion | None]:
    """How much trainings vary, as all that are judged alike (the keys' first part) tell together."""
    found = {}
    for judged in dict.fromkeys(key[0] for key in tables):
        alike = {key: table for key, table in tables.items() if key[0] == judged}
        freedom = sum(len(table) - 1.0 for table in alike.values())
        found |= zip(alike, dispersions(list(alike.values()), freedom), strict=True)
    return found


def _row(name: str, group: Sequence[StudyResult], table: np.ndarray, common: Dispersion | None) -> Row:
    results = [one.result for one in group]
    steps = [e.steps for result in results for e in result.episodes if e.outcome == "success"]
    stages, counts = count_endings(results)
    total = sum(counts, Counter())
    return Row(
        name=name,
        levels=dict(group[0].levels),
        judged=group[0].judged,
        task=results[0].task,
        success=estimate(table, common=common),
        steps=float(np.mean(steps)) if steps else None,
        chunk_ms=float(np.median([result.chunk_ms_p50 for result in results])),
        evaluations=results[0].evaluations,
        endings=Counter({stage: total[stage] for stage in stages}),
        table=table,
        results=results,
        trainings=[one.training for one in group if one.training is not None],
    )


def _differences(rows: list[Row], by: str, of: str) -> list[Difference]:
    """All pairs of rows that are equal in their attribute `by`, named by the attribute `of`."""
    differences = []
    for within in dict.fromkeys(getattr(row, by) for row in rows):
        alike = [row for row in rows if getattr(row, by) == within]
        pairs = list(itertools.combinations(alike, 2))
        tables = [_difference(a, b) for a, b in pairs]
        # As the interaction of cells and trainings has it in an analysis of variance of all cells at once.
        freedom = (len(alike) - 1.0) * (min(len(row.table) for row in alike) - 1.0)
        shared = dispersions(tables, freedom)
        found = [
            estimate(table, common=common, difference=True)
            for table, common in zip(tables, shared, strict=True)
        ]
        corrected = holm([one.p_value for one in found])
        differences += [
            Difference(getattr(a, of), getattr(b, of), within, one, p, len(pairs), table)
            for (a, b), one, p, table in zip(pairs, found, corrected, tables, strict=True)
        ]
    return differences


def _difference(a: Row, b: Row) -> np.ndarray:
    """Outcomes of `a` minus those of `b`, training by training, on the seeds that both met."""
    _, in_a, in_b = np.intersect1d(a.seeds, b.seeds, return_indices=True)
    trainings = min(len(a.results), len(b.results))
    return a.table[:trainings, in_a] - b.table[:trainings, in_b]


def _places(label: str, cells: int, differences: list[Difference]) -> tuple[int, int]:
    better, worse = 0, 0
    for one in differences:
        if one.real and label in (one.first, one.second):
            ahead = (one.estimate.mean > 0) == (label == one.first)
            better, worse = better + (not ahead), worse + ahead
    return 1 + better, cells - worse
