"""Sequential paired comparison, valid under continuous monitoring and optional stopping.

Only seeds on which exactly one policy succeeds count. If the two are equally good, either wins such a seed
with probability 1/2, and the likelihood ratio of "some other probability, uniform in [0, 1]" to 1/2,

    E = B(1 + a, 1 + b) / 2^-(a + b),

with a and b seeds won by either, is a martingale with mean 1: it ever exceeds 1 / alpha with probability at
most alpha (Ville 1939; as a test: Robbins 1970). Stopping as soon as it does keeps the error rate at alpha,
however often the evidence is checked.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ...common.errors import InputError


@dataclass(frozen=True)
class SequentialResult:
    """State of a sequential test."""

    pairs: int
    """Number of seeds compared."""
    only_a: int
    only_b: int
    evidence: float
    """Largest E so far (see the module's docstring)."""
    better: str | None
    """Better policy ("a" or "b") once the difference is significant, else None."""


def evidence(only_a: int, only_b: int) -> float:
    """Evidence E for the given discordant seeds; 1 without any."""
    log_beta = math.lgamma(1 + only_a) + math.lgamma(1 + only_b) - math.lgamma(2 + only_a + only_b)
    return math.exp(log_beta + (only_a + only_b) * math.log(2))


def compare_sequentially(outcomes: Iterable[tuple[bool, bool]], alpha: float = 0.05) -> SequentialResult:
    """Compares pairs of outcomes (a, b) one by one and stops as soon as the difference is significant.

    Args:
        outcomes: pairs of outcomes; may be a generator that runs the next episode on demand.
        alpha: probability of a false difference.

    Raises:
        ValueError: alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, got {alpha}")
    pairs, wins = 0, [0, 0]
    highest = 1.0
    for a, b in outcomes:
        pairs += 1
        if a != b:
            wins[int(b)] += 1
        highest = max(highest, evidence(*wins))
        if highest >= 1 / alpha:
            return SequentialResult(pairs, wins[0], wins[1], highest, "a" if wins[0] > wins[1] else "b")
    return SequentialResult(pairs, wins[0], wins[1], highest, None)


def sequential_statement(result: SequentialResult, a: str, b: str, alpha: float = 0.05) -> str:
    """States which of the policies `a` and `b` is better, after how many seeds, and on what evidence."""
    wins = f"on {result.only_a} of them {a} alone succeeds, on {result.only_b} {b} alone"
    p = f"p={1 / result.evidence:.2g}"
    strength = f"evidence {result.evidence:.1f}, {p}, valid under optional stopping"
    if result.better is None:
        return (
            f"{a} and {b}: no significant difference on {result.pairs} seeds, which does not mean that they "
            f"are equal: {wins} ({strength}; {1 / alpha:.0f} needed)."
        )
    better, worse = (a, b) if result.better == "a" else (b, a)
    return (
        f"{better} succeeds more often than {worse}, significant after {result.pairs} seeds: {wins} "
        f"({strength})."
    )
