"""Summary of a study: success of each cell over its trainings, its rank, and which cells differ.

The rank of a cell among n cells is an interval: from one plus the number of cells that are significantly
better, to n minus the number of cells that are significantly worse. Since Holm's correction limits the chance
of any false difference to 5%, all ranks of one evaluation hold simultaneously with 95% confidence (Mogstad,
Romano, Shaikh, and Wilhelm, "Inference for ranks", Review of Economic Studies 2024, with stepwise tests).
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..compare.motion import MotionMetrics, mean_metrics, motion_metrics
from ..compare.stages import count_endings
from ..result import EvalResult
from ..stats.pairwise import ALPHA, group_letters, holm
from ..stats.random_effects import Dispersion, Estimate, dispersions, estimate
from ..training_record import TrainingRecord
from .level import Level, in_words, level_text

LETTERS = 6
"""Maximum letters of one cell; if groups overlap more than that, letters are illegible and only ranks are
given."""
EVALUATION = "evaluation"
"""Label of the factor whose levels are the evaluations."""


@dataclass(frozen=True)
class StudyResult:
    """One evaluation of one training."""

    levels: Mapping[str, Level]
    """Level of each factor, by the factor's label."""
    seed: int
    """Number of the training, from 0."""
    evaluation: str
    """Name of the evaluation."""
    result: EvalResult
    training: TrainingRecord | None = None
    """Cost and learning curve of the training, if known."""
    settings: Mapping[str, Level] = field(default_factory=dict)
    """Levels of the evaluation's own factors, by label; empty if it has a name only."""


@dataclass(frozen=True)
class Row:
    """All trainings of one cell under one evaluation."""

    name: str
    """Name of the cell ("flow · chunk 8"), without levels that are tuned or the same in all cells."""
    levels: dict[str, Level]
    evaluation: str
    task: str
    success: Estimate
    steps: float | None
    """Mean control steps to success."""
    chunk_ms: float
    """Median over trainings of the median latency of a chunk at batch size 1 [ms]; NaN if not measured."""
    evaluations: int
    """Network function evaluations of the head per chunk."""
    endings: Counter[str]
    """Number of episodes by the stage or outcome in which they ended, over all trainings, best first."""
    table: np.ndarray = field(repr=False)
    """Success of each training (rows) in each episode (columns), 0.0 or 1.0."""
    results: list[EvalResult] = field(repr=False)
    """One result per training."""
    trainings: list[TrainingRecord] = field(repr=False)
    """Training records, as far as they are known."""
    settings: Mapping[str, Level] = field(default_factory=dict)
    """Levels of the evaluation's own factors, by label."""
    group: str = ""
    """Compact letter display among the rows of the same evaluation; "" if that takes too many letters."""
    places: tuple[int, int] = (1, 1)
    """Best and worst rank among the rows of the same evaluation that the data allow."""

    @property
    def label(self) -> str:
        """Levels in one string: "head=flow, chunk=8"."""
        return _label(self.levels)

    @property
    def evaluation_name(self) -> str:
        """Name of the evaluation, whether or not evaluations are what is compared."""
        return str(self.levels.get(EVALUATION, self.evaluation))

    @property
    def seeds(self) -> list[int]:
        """Seeds of the episodes."""
        return [episode.seed for episode in self.results[0].episodes]

    @cached_property
    def measures(self) -> MotionMetrics:
        """Motion metrics: means over the trainings, and all episodes by mode."""
        return mean_metrics([motion_metrics(result) for result in self.results])

    @property
    def cpu_minutes(self) -> float | None:
        """Mean CPU time of one training [min]; None if unknown."""
        seconds = [training.cpu_seconds for training in self.trainings]
        return sum(seconds) / len(seconds) / 60 if seconds else None

    @property
    def open_loop(self) -> float | None:
        """Mean open-loop error of the trainings; None if unknown."""
        errors = [one.open_loop for one in self.trainings if one.open_loop is not None]
        return sum(errors) / len(errors) if errors else None

    @property
    def holds_hz(self) -> float:
        """Maximum control rate, the median over trainings [Hz]; NaN if latency was not measured."""
        return float(np.median([result.holds_hz for result in self.results]))

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the success rate, in [0, 1]."""
        return max(self.success.low, 0.0), min(self.success.high, 1.0)


@dataclass(frozen=True)
class Difference:
    """Difference of the success rates of two cells, or of two evaluations of one cell."""

    first: str
    second: str
    within: str
    """Common part of the two: the evaluation of two cells, or the cell of two evaluations."""
    estimate: Estimate
    p: float
    """Corrected p-value for all pairs with the same `within` (Holm)."""
    tests: int
    """Number of pairs with the same `within`."""
    table: np.ndarray = field(repr=False)
    """Difference of each training (rows) in each shared episode (columns)."""

    @property
    def real(self) -> bool:
        """Whether the corrected test is significant."""
        return self.p < ALPHA


@dataclass(frozen=True)
class Summary:
    """Rows of a study and their pairwise differences."""

    rows: list[Row]
    """One row per cell and evaluation, in the order of the results."""
    differences: list[Difference]
    """All pairs of cells under the same evaluation."""
    evaluation_differences: list[Difference]
    """All pairs of evaluations of the same cell."""
    tuned: str | None = None
    """Label of a factor that is not compared: each cell chose its level on validation seeds."""
    experts: Sequence[EvalResult] = ()
    """Results of the scripted expert, as a reference for motion metrics."""

    @property
    def evaluations(self) -> list[str]:
        """Names of the evaluations."""
        return list(dict.fromkeys(row.evaluation for row in self.rows))

    @property
    def trained(self) -> dict[str, Row]:
        """One row for each set of trainings, by name, whatever its evaluation."""
        rows = {tuple(map(id, row.trainings)): row for row in self.rows}
        return {row.name if len(rows) > 1 else "all rows": row for row in rows.values()}

    def ranking(self, evaluation: str) -> list[Row]:
        """Rows of one evaluation, the most successful first."""
        return _ranked(self.rows, evaluation)


def summarize(
    results: Sequence[StudyResult], tuned: str | None = None, experts: Sequence[EvalResult] = ()
) -> Summary:
    """Computes rows, differences, letters, and ranks.

    The evaluations of a single cell are compared like cells: as levels of the factor EVALUATION.

    Args:
        results: one for each training and evaluation.
        tuned: label of the factor whose level each cell chose on validation seeds.
        experts: results of the scripted expert.

    Raises:
        ValueError: rows to compare share fewer than two episode seeds.
    """
    cells = {tuple(one.levels.items()) for one in results}
    if len(cells) == 1 and len({one.evaluation for one in results}) > 1:
        results = [
            replace(
                one, levels={EVALUATION: one.evaluation}, evaluation=_label(one.levels) or "the only cell"
            )
            for one in results
        ]
    groups: dict[tuple[Any, ...], list[StudyResult]] = {}
    for one in results:
        groups.setdefault((one.evaluation, *one.levels.items()), []).append(one)
    groups = {key: sorted(group, key=lambda one: one.seed) for key, group in groups.items()}
    tables = {key: _table(group) for key, group in groups.items()}
    shared = _shared(tables)
    called = names([group[0].levels for group in groups.values()], tuned)
    rows = [
        _row(name, group, tables[key], shared[key])
        for name, (key, group) in zip(called, groups.items(), strict=True)
    ]
    differences = _differences(rows, by="evaluation", of="label")
    for evaluation in dict.fromkeys(row.evaluation for row in rows):
        alike = [one for one in differences if one.within == evaluation]
        ranked = _ranked(rows, evaluation)
        letters = group_letters([row.label for row in ranked], alike)
        if max(map(len, letters.values())) > LETTERS:
            letters = dict.fromkeys(letters, "")
        for i, row in enumerate(rows):
            if row.evaluation == evaluation:
                rows[i] = replace(
                    row, group=letters[row.label], places=_places(row.label, len(ranked), alike)
                )
    return Summary(rows, differences, _differences(rows, by="label", of="evaluation"), tuned, experts)


def _label(levels: Mapping[str, Level]) -> str:
    return ", ".join(f"{factor}={level_text(level)}" for factor, level in levels.items())


def _ranked(rows: Sequence[Row], evaluation: str) -> list[Row]:
    return sorted((row for row in rows if row.evaluation == evaluation), key=lambda row: -row.success.mean)


def names(cells: Sequence[Mapping[str, Level]], tuned: str | None) -> list[str]:
    """Names of cells: the levels in which they differ, without the tuned one; all levels if there is no
    difference."""
    varying = [
        factor for factor in cells[0] if factor != tuned and len({levels[factor] for levels in cells}) > 1
    ]
    return [" · ".join(in_words(factor, levels[factor]) for factor in varying or levels) for levels in cells]


def _table(group: Sequence[StudyResult]) -> np.ndarray:
    """Success table of a group (see `Row.table`)."""
    return np.array([[e.outcome == "success" for e in one.result.episodes] for one in group], float)


def _shared(tables: Mapping[tuple[Any, ...], np.ndarray]) -> dict[tuple[Any, ...], Dispersion | None]:
    """Variation between trainings, estimated from all rows of an evaluation (the first part of a key)
    together."""
    found = {}
    for evaluation in dict.fromkeys(key[0] for key in tables):
        alike = {key: table for key, table in tables.items() if key[0] == evaluation}
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
        evaluation=group[0].evaluation,
        task=results[0].task,
        success=estimate(table, common=common),
        steps=float(np.mean(steps)) if steps else None,
        chunk_ms=float(np.median([result.chunk_ms_p50 for result in results])),
        evaluations=results[0].evaluations,
        endings=Counter({stage: total[stage] for stage in stages}),
        table=table,
        results=results,
        trainings=[one.training for one in group if one.training is not None],
        settings=group[0].settings,
    )


def _differences(rows: list[Row], by: str, of: str) -> list[Difference]:
    """Differences of all pairs of rows with the same attribute `by`, named by the attribute `of`."""
    differences = []
    for within in dict.fromkeys(getattr(row, by) for row in rows):
        alike = [row for row in rows if getattr(row, by) == within]
        pairs = list(itertools.combinations(alike, 2))
        tables = [_difference(a, b) for a, b in pairs]
        # Degrees of freedom of the interaction of cells and trainings in an analysis of variance of all
        # cells.
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
    """Outcomes of `a` minus those of `b`, training by training, on their shared seeds."""
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
