"""Success rates over several trainings: what varies from training to training, and from episode to episode.

Every training (seed s of m) plays the same test episodes (e of n), so outcomes form a table x[s, e] with
three sources of chance: x = mean + training s + episode e + the rest. The variance of the mean of the table
is

    var = (MS_s + MS_e - MS_rest) / (m n),

with the mean squares of a two-way analysis of variance (Searle, Casella and McCulloch, "Variance
components", 1992, chapter 4): it says how the mean would vary over other trainings *and* other episodes.
Its degrees of freedom follow from Satterthwaite's approximation (1946). Two policies are compared by the
table of their differences, training seed by training seed (one seed gives both the same trunk and the same
order of data) and episode by episode.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .stats import wilson
from .student import t_cdf, t_quantile


@dataclass(frozen=True)
class Estimate:
    """A mean over trainings and episodes."""

    mean: float
    low: float
    """95 % interval."""
    high: float
    trainings: int
    episodes: int
    between_trainings: float
    """Standard deviation of the rate from training to training, beyond what episodes explain."""
    p_value: float
    """Of the hypothesis that the mean is 0, two-sided; for differences."""

    @property
    def about_trainings(self) -> bool:
        """Whether the interval says anything about other trainings: one training cannot."""
        return self.trainings > 1


def estimate(table: Float[np.ndarray, "m n"], level: float = 0.95) -> Estimate:
    """Mean of a table of outcomes, or of differences of outcomes, with its interval.

    With one training the interval is about other episodes alone.

    Raises:
        ValueError: fewer than two episodes.
    """
    m, n = table.shape
    if m < 1 or n < 2:
        raise ValueError(f"an estimate needs at least 1 training and 2 episodes, got {m} and {n}")
    mean = float(table.mean())
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    ms_e = m * float(columns.var(ddof=1))
    if m == 1:
        variance, freedom, between = ms_e / n, n - 1.0, 0.0
    else:
        ms_s = n * float(rows.var(ddof=1))
        rest = table - rows[:, None] - columns + mean
        ms_rest = float((rest**2).sum()) / ((m - 1) * (n - 1))
        parts = [(ms_s, m - 1), (ms_e, n - 1), (-ms_rest, (m - 1) * (n - 1))]
        variance = sum(ms for ms, _ in parts) / (m * n)
        # Never surer than if all trainings were alike, or all episodes.
        floor = max(ms_s, ms_e) / (m * n)
        variance = max(variance, floor)
        spread = sum(ms**2 / df for ms, df in parts)
        freedom = (variance * m * n) ** 2 / spread if spread > 0 else n - 1.0
        between = math.sqrt(max(0.0, (ms_s - ms_rest) / n))
    freedom, error = max(1.0, freedom), math.sqrt(variance)
    half = t_quantile((1 + level) / 2, freedom) * error
    if error == 0 and mean in (0, 1):
        # Equal outcomes have no variance to tell by; each episode counts once, however many trainings agree.
        low, high = wilson(int(mean) * n, n, level)
        return Estimate(mean, low, high, m, n, between, float(mean == 0))
    p_value = 2 * (1 - t_cdf(abs(mean) / error, freedom)) if error > 0 else float(mean == 0)
    return Estimate(mean, mean - half, mean + half, m, n, between, p_value)
