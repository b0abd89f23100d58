"""Intervals and paired tests of success rates, and the difference that a number of episodes resolves.

Worked example: A and B on the same 100 seeds, 90 and 84 successes; on 12 seeds only A succeeds, on 6 only B.
    wilson(90, 100)                  0.826 .. 0.945
    mcnemar_exact(12, 6)             p = 0.238: no evidence of a difference
    paired_interval(78, 12, 6, 4)    0.06, -0.027 .. 0.148
    resolvable_paired(100, 0.18)     0.117: 12 points is the smallest difference likely to be detected
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from ...common.errors import InputError
from ..result import UNDECIDED, EvalResult

POWER = 0.8
"""Probability of detecting a difference that counts as resolvable."""


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a rate (Wilson 1927); (0, 1) without data.

    Raises:
        ValueError: not 0 <= successes <= n, or a level outside (0, 1).
    """
    if not 0 <= successes <= n:
        raise InputError(f"successes must be between 0 and n = {n}, got {successes}")
    z = _z(level)
    if n == 0:
        return 0.0, 1.0
    rate = successes / n
    center = rate + z**2 / (2 * n)
    half = z * math.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    # Without rounding, the formula gives exactly 0 and 1 there.
    low = 0.0 if successes == 0 else (center - half) / scale
    high = 1.0 if successes == n else (center + half) / scale
    return low, high


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value that two policies are equally good, from the seeds on which exactly one
    succeeds.

    Under this hypothesis, either policy wins such a seed with probability 1/2 (McNemar 1947, binomial form).
    """
    if only_a < 0 or only_b < 0:
        raise InputError(f"counts must not be negative, got {only_a} and {only_b}")
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail / 2**n)


@dataclass(frozen=True)
class PairedTable:
    """Outcomes of two policies on the same seeds, without seeds on which either raised an error."""

    both: int
    only_a: int
    only_b: int
    neither: int
    excluded: tuple[int, ...]
    """Seeds on which either raised an error."""

    @property
    def n(self) -> int:
        """Number of seeds that count."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def discordance(self) -> float:
        """Fraction of the seeds on which the two differ; 0 without seeds."""
        return (self.only_a + self.only_b) / self.n if self.n else 0.0

    @property
    def difference(self) -> float:
        """Success rate of A minus that of B; 0 without seeds."""
        return (self.only_a - self.only_b) / self.n if self.n else 0.0

    @property
    def p_value(self) -> float:
        """Exact p-value (see `mcnemar_exact`)."""
        return mcnemar_exact(self.only_a, self.only_b)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the difference (see `paired_interval`)."""
        return paired_interval(self.both, self.only_a, self.only_b, self.neither, level)


def paired_table(a: EvalResult, b: EvalResult) -> PairedTable:
    """Counts the seeds on which both, one, or neither succeed.

    Raises:
        ValueError: the tasks or the seeds differ.
    """
    if a.task != b.task:
        raise InputError(f"cannot pair {a.policy} on task {a.task!r} with {b.policy} on task {b.task!r}")
    rows_a, rows_b = ({e.seed: e for e in result.episodes} for result in (a, b))
    if rows_a.keys() != rows_b.keys():
        odd = sorted(rows_a.keys() ^ rows_b.keys())
        raise InputError(
            f"{a.policy} and {b.policy} were not evaluated on the same seeds: {len(odd)} are of one alone, "
            f"e.g. {odd[0]}; evaluate both on one range"
        )
    excluded = tuple(
        s for s in sorted(rows_a) if {rows_a[s].outcome, rows_b[s].outcome}.intersection(UNDECIDED)
    )
    pairs = [
        (rows_a[s].outcome == "success", rows_b[s].outcome == "success")
        for s in rows_a
        if s not in set(excluded)
    ]
    both, only_a, only_b, neither = (
        pairs.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
    )
    return PairedTable(both, only_a, only_b, neither, excluded)


def paired_interval(
    both: int, only_a: int, only_b: int, neither: int, level: float = 0.95
) -> tuple[float, float]:
    """Interval of rate A minus rate B from the same seeds (Newcombe 1998, Stat. Med. 17:2635, method 10)."""
    n = both + only_a + only_b + neither
    cross = both * neither - only_a * only_b
    if cross > 0:
        cross = max(cross - n / 2, 0.0)  # continuity correction
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    correlation = cross / math.sqrt(margins) if margins else 0.0
    return _hybrid_interval(both + only_a, n, both + only_b, n, correlation, level)


def resolvable_paired(n: int, discordance: float, level: float = 0.95) -> float:
    """Smallest difference that `n` shared seeds detect with 80% power, if the policies differ on a fraction
    `discordance` of them (or on the fraction that the difference itself requires, if that is more).

    Normal approximation of McNemar's test (Connor 1987, Biometrics 43:207); 1 if n is too small for any.

    Raises:
        ValueError: n < 1, or a discordance outside [0, 1].
    """
    _check(n, discordance)
    return _smallest(lambda delta: _pairs(delta, discordance, level), n, 1.0)


def required_pairs(difference: float, discordance: float, level: float = 0.95) -> int:
    """Number of shared seeds that detect `difference` with 80% power (see `resolvable_paired`).

    Raises:
        ValueError: a difference outside (0, 1], or a discordance outside [0, 1].
    """
    _check(1, discordance)
    if not 0 < difference <= 1:
        raise InputError(f"difference must be above 0 and at most 1, got {difference}")
    return math.ceil(_pairs(difference, discordance, level))


def _pairs(delta: float, discordance: float, level: float) -> float:
    share = max(discordance, delta)
    return ((_z(level) * math.sqrt(share) + _z_power() * math.sqrt(share - delta**2)) / delta) ** 2


def _hybrid_interval(
    x_a: int, n_a: int, x_b: int, n_b: int, correlation: float, level: float
) -> tuple[float, float]:
    """Newcombe's combination of two Wilson intervals whose rates have the given correlation; 0 for
    independent episodes (1998, Stat. Med. 17:873, method 10)."""
    if n_a == 0 or n_b == 0:
        return -1.0, 1.0
    a, b = x_a / n_a, x_b / n_b
    (low_a, high_a), (low_b, high_b) = wilson(x_a, n_a, level), wilson(x_b, n_b, level)

    def reach(of_a: float, of_b: float) -> float:
        return math.sqrt(max(0.0, of_a**2 - 2 * correlation * of_a * of_b + of_b**2))

    return a - b - reach(a - low_a, high_b - b), a - b + reach(high_a - a, b - low_b)


def _smallest(needed: Callable[[float], float], n: int, largest: float) -> float:
    """Difference, up to `largest`, that needs n episodes; larger ones need fewer."""
    if needed(largest) > n:
        return 1.0
    low, high = 0.0, largest
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if needed(middle) <= n else (middle, high)
    return high


def _check(n: int, discordance: float) -> None:
    if n < 1:
        raise InputError(f"n must be at least 1, got {n}")
    if not 0 <= discordance <= 1:
        raise InputError(f"discordance must be between 0 and 1, got {discordance}")


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def _z_power() -> float:
    return NormalDist().inv_cdf(POWER)
