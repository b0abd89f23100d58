"""Two policies, played seed by seed until it is established which one is better, or the budget is spent."""

from dataclasses import dataclass, replace

from ...eval.result import EvalResult
from ...eval.stats.pairwise import ALPHA
from ...eval.stats.sequential import Verdict, compare_sequentially
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached

BLOCK = 20
"""Seeds that are played before the first look. Later blocks are a quarter of what was played, where that is
more, since starting an evaluation takes about as long as this many episodes."""


@dataclass(frozen=True)
class Stopped:
    """Where a comparison stopped."""

    verdict: Verdict
    first: EvalResult
    """As far as it was played: up to the end of the block in which the verdict fell."""
    second: EvalResult


def compare_early(first: EvalTarget, second: EvalTarget, exam: EvalConfig) -> Stopped:
    """Plays at most `exam.episodes` seeds each, fewer if a difference is established before.

    Every block is stored, and what is stored is not played again. Seeds on which either raised an error are
    left out.
    """
    played = 0
    while True:
        played = min(played + max(BLOCK, played // 4), exam.episodes)
        a, b = (evaluate_cached(who, replace(exam, episodes=played), "test") for who in (first, second))
        outcomes = [(x.outcome, y.outcome) for x, y in zip(a.episodes, b.episodes, strict=True)]
        verdict = compare_sequentially(
            ((x == "success", y == "success") for x, y in outcomes if "error" not in (x, y)), ALPHA
        )
        if verdict.better is not None or played == exam.episodes:
            return Stopped(verdict, a, b)
