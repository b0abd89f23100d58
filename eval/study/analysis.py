"""Analysis of a study: everything that its report says, computed in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..result import EvalResult
from .factors import Factor, NumericFactor, Series, factors, lines, numeric
from .power import Power, power
from .summary import StudyResult, Summary, summarize
from .thresholds import Crossing, crossing


@dataclass(frozen=True)
class Curve:
    """Success along a numeric factor."""

    along: NumericFactor
    others: list[Factor]
    """Factors other than `along`; their combinations are the lines."""
    series: list[Series]
    crossings: list[Crossing]
    """Crossing of the target by each series."""


@dataclass(frozen=True)
class Analysis:
    """A study's rows and differences, and what follows from them."""

    summary: Summary
    factors: list[Factor]
    curves: list[Curve]
    """One for each numeric factor along which at least one series has two rows."""
    power: Power | None
    """Resolution of the study; None without pairs."""


def analyze(
    results: Sequence[StudyResult], tuned: str | None = None, experts: Sequence[EvalResult] = ()
) -> Analysis:
    """Analyzes the results of a study.

    Args:
        results: one for each training and evaluation.
        tuned: label of the factor whose level each cell chose on validation seeds.
        experts: results of the scripted expert.

    Raises:
        ValueError: rows to compare share fewer than two episode seeds.
    """
    summary = summarize(results, tuned, experts)
    found = factors(summary)
    curves = []
    for factor in found:
        along = numeric(factor, summary.rows)
        if along is None:
            continue
        others = [other for other in found if other is not factor]
        if series := lines(summary.rows, along, others):
            crossings = [crossing(line, logarithmic=along.logarithmic) for line in series]
            curves.append(Curve(along, others, series, crossings))
    return Analysis(summary, found, curves, power(summary.differences))
