"""A paired comparison that may be looked at after every episode and stopped at any time.

Only seeds on which exactly one policy succeeds count. If the two are equally good, each such seed falls to
either with probability 1/2, and the likelihood of what was seen under "some other probability, uniform in
[0, 1]" over that under 1/2,

    E = B(1 + a, 1 + b) / 2^-(a + b),

with a and b such seeds for either, is a martingale with mean 1: it ever exceeds 1 / alpha with probability
at most alpha (Ville 1939; as a test: Robbins 1970). So stopping as soon as it does keeps the error rate
alpha, however often one looks.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """Where a sequential test stands."""

    pairs: int
    """Seeds looked at."""
    only_a: int
    only_b: int
    evidence: float
    """E of the module's docstring, the largest so far."""
    better: str | None
    """"a" or "b" once the difference is established, else None."""


def evidence(only_a: int, only_b: int) -> float:
    """E for so many discordant seeds; 1 without any."""
    log_beta = math.lgamma(1 + only_a) + math.lgamma(1 + only_b) - math.lgamma(2 + only_a + only_b)
    return math.exp(log_beta + (only_a + only_b) * math.log(2))


def compare_sequentially(outcomes: Iterable[tuple[bool, bool]], alpha: float = 0.05) -> Verdict:
    """Looks at one pair of outcomes (a, b) after the other and stops as soon as a difference is established.

    Args:
        outcomes: may be a generator that plays the next episode only when asked.
        alpha: chance of establishing a difference that is none.

    Raises:
        ValueError: alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
    pairs, wins = 0, [0, 0]
    highest = 1.0
    for a, b in outcomes:
        pairs += 1
        if a != b:
            wins[int(b)] += 1
        highest = max(highest, evidence(*wins))
        if highest >= 1 / alpha:
            return Verdict(pairs, wins[0], wins[1], highest, "a" if wins[0] > wins[1] else "b")
    return Verdict(pairs, wins[0], wins[1], highest, None)


def verdict_text(verdict: Verdict, a: str, b: str, alpha: float = 0.05) -> str:
    """What is established about policies `a` and `b`, after how many seeds, and on what evidence."""
    wins = f"on {verdict.only_a} of them {a} alone succeeds, on {verdict.only_b} {b} alone"
    p = f"p={1 / verdict.evidence:.2g}"
    strength = f"evidence {verdict.evidence:.1f}, {p}, valid however often one looks"
    if verdict.better is None:
        return (
            f"{a} and {b}: no difference established on {verdict.pairs} seeds, which does not make them "
            f"equal: {wins} ({strength}; {1 / alpha:.0f} is needed)."
        )
    better, worse = (a, b) if verdict.better == "a" else (b, a)
    return (
        f"{better} succeeds more often than {worse}, established after {verdict.pairs} seeds: {wins} "
        f"({strength})."
    )
