"""Power of a study: which difference its trainings and episodes resolve, and how many a difference takes.

Differences x[s, e] between two cells vary with the training s, the episode e and the rest (see
stats/random_effects.py for the model). The three variances follow from the mean squares, averaged over the
pairs of a study, and predict the mean squares for other numbers of trainings and episodes:

    E MS_s = n var_s + var,   E MS_e = m var_e + var,   E MS_rest = var.

A true difference of (t_{1 - alpha / 2} + t_{0.8}) standard errors is detected with probability 0.8, with
Satterthwaite's degrees of freedom: the usual approximation of the power of a t test.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from ..stats.paired import POWER
from ..stats.pairwise import ALPHA
from ..stats.random_effects import mean_squares
from .summary import Difference

WANTED = 0.05
"""Difference of success rates for which the required trainings and episodes are computed."""
MOST = {"trainings": 1000, "episodes": 100_000}
"""Largest numbers that are proposed."""


@dataclass(frozen=True)
class Spread:
    """Variances of the differences between two cells."""

    training: float | None
    """Variance between trainings; None with one training per cell: unknown, and all results hold for these
    trainings only."""
    episode: float
    rest: float


@dataclass(frozen=True)
class Power:
    """Resolution of the pairwise comparisons of a study."""

    trainings: int
    episodes: int
    pairs: int
    level: float
    """Significance level of Holm's first step, for the largest set of pairs corrected together."""
    resolves: float
    """True difference detected with 80% power; infinite if it exceeds 1."""
    needed_trainings: int | None
    """Trainings that resolve WANTED with these episodes; None if MOST are too few, or if that is unknown."""
    needed_episodes: int | None
    """Episodes that resolve WANTED with these trainings; None if MOST are too few."""


def power(differences: Sequence[Difference]) -> Power | None:
    """Computes the power; None without pairs, or if all outcomes are equal and so tell nothing about the
    spread."""
    if not differences:
        return None
    m = min(one.estimate.trainings for one in differences)
    n = min(one.estimate.episodes for one in differences)
    variances = spread([one.table[:m, :n] for one in differences])
    if variances.episode + variances.rest + (variances.training or 0.0) == 0:
        return None
    tests = max(one.tests for one in differences)
    level = ALPHA / tests
    cells = _cells(tests)
    found = resolvable(variances, m, n, level, cells)
    return Power(
        m,
        n,
        len(differences),
        level,
        found if found <= 1 else math.inf,
        None if m == 1 else _smallest(lambda k: resolvable(variances, k, n, level, cells), MOST["trainings"]),
        _smallest(lambda k: resolvable(variances, m, k, level, cells), MOST["episodes"]),
    )


def spread(tables: Sequence[np.ndarray]) -> Spread:
    """Estimates the variances from tables of differences, each [m, n] for m trainings and n episodes."""
    m, n = tables[0].shape
    if m == 1:
        return Spread(None, float(np.mean([table.var(ddof=1) for table in tables])), 0.0)
    squares = [astuple(mean_squares(table)) for table in tables]
    ms_s, ms_e, ms_rest = np.mean(squares, axis=0).tolist()
    return Spread(max(0.0, (ms_s - ms_rest) / n), max(0.0, (ms_e - ms_rest) / m), ms_rest)


def resolvable(of: Spread, m: int, n: int, level: float = ALPHA, cells: int = 2) -> float:
    """True difference that m trainings of n episodes detect with 80% power in a two-sided test.

    Args:
        of: variances of the differences.
        m: trainings per cell.
        n: episodes per training.
        level: significance level of the test.
        cells: number of cells, which together estimate the variation between trainings.
    """
    from scipy.special import stdtrit  # slow to import

    ms_e = m * of.episode + of.rest
    if of.training is None:
        variance, freedom = ms_e / (m * n), n - 1.0
    else:
        ms_s = n * of.training + of.rest
        variance = (ms_s + ms_e - of.rest) / (m * n)
        parts = [(ms_s, (cells - 1) * (m - 1)), (ms_e, n - 1), (of.rest, (m - 1) * (n - 1))]
        freedom = (variance * m * n) ** 2 / sum(ms**2 / df for ms, df in parts)
    quantiles = float(sum(stdtrit(max(1.0, freedom), [1 - level / 2, POWER])))
    return quantiles * math.sqrt(variance)


def _cells(pairs: int) -> int:
    """Number of cells that form this many pairs."""
    return (1 + math.isqrt(1 + 8 * pairs)) // 2


def _smallest(resolves: Callable[[int], float], most: int) -> int | None:
    """Smallest number from 2 to `most` that resolves WANTED, by bisection."""
    if resolves(most) > WANTED:
        return None
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if resolves(middle) <= WANTED else (middle, high)
    return high
