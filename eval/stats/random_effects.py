"""Crossed random effects: success rates that vary between trainings and between episodes.

Every training (seed s of m) runs the same test episodes (e of n), so the outcomes form a table x[s, e] with
three random components: x = mean + training s + episode e + residual. The variance of the table's mean is

    var = (MS_s + MS_e - MS_rest) / (m n),

with the mean squares of a two-way analysis of variance (Searle, Casella and McCulloch, "Variance
components", 1992, chapter 4): the variation of the mean over other trainings *and* other episodes.
Its degrees of freedom follow from Satterthwaite's approximation (1946). Two policies are compared by the
table of their differences, training seed by training seed (one seed gives both the same trunk and the same
order of data) and episode by episode.

Three trainings tell little about the variation between trainings, but a study has many tables. So MS_s of
each table is expressed as a multiple of its MS_rest, and these ratios are moderated: each shrinks toward the
common ratio of all tables, more strongly the more similar they are (`Dispersion`). A common ratio is the
dispersion of quasi-binomial models (McCullagh and Nelder, "Generalized linear models", 1989, section 4.5),
under which rates near 0 or 1 vary less than those between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ...common.errors import InputError
from .paired import wilson

SMALLEST = 0.05
"""Lower bound of ratios before their logarithm is taken."""


@dataclass(frozen=True)
class Estimate:
    """Mean over trainings and episodes, with its interval."""

    mean: float
    low: float
    """Lower end of the 95% interval."""
    high: float
    trainings: int
    episodes: int
    between_trainings: float
    """Standard deviation of the rate between trainings beyond what episodes explain, from this table
    alone."""
    p_value: float
    """Two-sided p-value of the hypothesis that the mean is 0; for differences."""

    @property
    def about_trainings(self) -> bool:
        """Whether the interval covers variation between trainings, which takes more than one."""
        return self.trainings > 1


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of a table of at least two trainings."""

    training: float
    episode: float
    rest: float


def mean_squares(table: Float[np.ndarray, "m n"]) -> MeanSquares:
    """Two-way analysis of variance with one value per cell."""
    m, n = table.shape
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    rest = table - rows[:, None] - columns + table.mean()
    return MeanSquares(
        n * float(rows.var(ddof=1)),
        m * float(columns.var(ddof=1)),
        float((rest**2).sum()) / ((m - 1) * (n - 1)),
    )


@dataclass(frozen=True)
class Dispersion:
    """Variation between trainings in one table, estimated from it and similar ones."""

    ratio: float
    """Ratio MS_s / MS_rest."""
    freedom: float
    """Degrees of freedom of MS_s."""


def dispersions(tables: Sequence[Float[np.ndarray, "_ _"]], most: float) -> list[Dispersion] | list[None]:
    """Moderated dispersion of each table; None if a table has a single training, or none has any variance.

    The ratios are modeled as inverse chi-squared variables around a common one, with degrees of freedom from
    the spread of their logarithms: the estimator of Smyth, "Linear models and empirical Bayes methods"
    (2004), section 6.2. Tables that are all alike have the common ratio.

    Args:
        tables: success tables, or tables of differences, each [m, n].
        most: degrees of freedom of MS_s of all tables together; tables of differences depend on each other
            and have fewer than their number suggests.
    """
    if any(len(table) < 2 for table in tables):
        return [None] * len(tables)
    found = [mean_squares(table) for table in tables]
    rest = sum(one.rest for one in found)
    if rest == 0:
        return [None] * len(tables)
    common = sum(one.training for one in found) / rest
    ratios = [one.training / one.rest if one.rest > 0 else common for one in found]
    own = min(len(table) for table in tables) - 1.0
    center, freedom = _prior([ratio for ratio, one in zip(ratios, found, strict=True) if one.rest > 0], own)
    if math.isinf(freedom):
        return [Dispersion(common, most)] * len(tables)
    total = freedom + own
    return [Dispersion((freedom * center + own * ratio) / total, min(total, most)) for ratio in ratios]


def _prior(ratios: Sequence[float], own: float) -> tuple[float, float]:
    """Center and degrees of freedom of the prior, given ratios with `own` degrees of freedom."""
    from scipy.special import digamma, polygamma  # slow to import

    # A ratio of 0, all trainings alike, has no logarithm.
    logs = [math.log(max(ratio, SMALLEST)) - float(digamma(own / 2)) + math.log(own / 2) for ratio in ratios]
    beyond = float(np.var(logs, ddof=1)) - float(polygamma(1, own / 2)) if len(logs) > 1 else 0.0
    if beyond <= 0:
        return math.nan, math.inf
    half = _inverse_trigamma(beyond)
    return math.exp(float(np.mean(logs)) + float(digamma(half)) - math.log(half)), 2 * half


def _inverse_trigamma(value: float) -> float:
    """Inverse of trigamma, by bisection of its logarithm."""
    from scipy.special import polygamma

    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if polygamma(1, math.exp(middle)) > value else (low, middle)
    return math.exp((low + high) / 2)


def estimate(
    table: Float[np.ndarray, "m n"],
    level: float = 0.95,
    common: Dispersion | None = None,
    *,
    difference: bool = False,
) -> Estimate:
    """Estimates the mean of a table of outcomes, or of differences of outcomes, with its interval.

    With one training, the interval covers variation between episodes only; that of a rate is Wilson's.

    Args:
        table: outcomes, one row per training and one column per episode.
        common: variation between trainings; by default from this table alone.
        difference: whether the table holds differences (-1 to 1) rather than outcomes (0 or 1).

    Raises:
        ValueError: fewer than two episodes.
    """
    from scipy.special import stdtr, stdtrit  # slow to import

    m, n = table.shape
    if m < 1 or n < 2:
        raise InputError(f"an estimate needs at least 1 training and 2 episodes, got {m} and {n}")
    mean = float(table.mean())
    if m == 1:
        variance, freedom, between = float(table.var(ddof=1)) / n, n - 1.0, 0.0
    else:
        found = mean_squares(table)
        between = math.sqrt(max(0.0, (found.training - found.rest) / n))
        of_trainings = (found.training, m - 1.0)
        if common is not None and found.rest > 0:  # without a rest there is nothing to be a ratio of
            of_trainings = (common.ratio * found.rest, common.freedom)
        parts = [of_trainings, (found.episode, n - 1.0), (-found.rest, (m - 1.0) * (n - 1))]
        # At least the uncertainty of identical trainings, and of identical episodes.
        floor = max(of_trainings[0], found.episode)
        variance = max(sum(ms for ms, _ in parts), floor) / (m * n)
        spread = sum(ms**2 / df for ms, df in parts)
        freedom = (variance * m * n) ** 2 / spread if spread > 0 else n - 1.0
    freedom, error = max(1.0, freedom), math.sqrt(variance)
    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    p_value = 2 * float(stdtr(freedom, -abs(mean) / error)) if error > 0 else float(mean == 0)
    low, high = mean - half, mean + half
    # Equal outcomes have no variance; each episode counts once, however many trainings agree.
    if not difference and (m == 1 or error == 0):
        low, high = wilson(round(mean * n), n, level)
    elif error == 0:
        beside = wilson(0, n, level)[1]
        low, high = max(mean - beside, -1.0), min(mean + beside, 1.0)
    return Estimate(mean, low, high, m, n, between, p_value)
