"""Sequential comparison: runs two policies until one is significantly better, or the budget is spent."""

from dataclasses import dataclass, replace

from ...eval.result import UNDECIDED, EvalResult
from ...eval.stats.pairwise import ALPHA
from ...eval.stats.sequential import SequentialResult, compare_sequentially
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached

BLOCK = 20
"""Seeds that are played before the first look. Later blocks are a quarter of what was played, where that is
more, since starting an evaluation takes about as long as this many episodes."""


@dataclass(frozen=True)
class Stopped:
    """Outcome of a comparison that may have stopped early."""

    outcome: SequentialResult
    first: EvalResult
    """Result as far as it was played: up to the end of the block in which the comparison ended."""
    second: EvalResult


def compare_early(first: EvalTarget, second: EvalTarget, evaluation: EvalConfig) -> Stopped:
    """Runs at most `evaluation.episodes` seeds each, fewer if a difference becomes significant earlier.

    Every block is stored and never repeated. Seeds on which either policy raised an error or
    is missing are excluded.
    """
    played = 0
    while True:
        played = min(played + max(BLOCK, played // 4), evaluation.episodes)
        a, b = (evaluate_cached(who, replace(evaluation, episodes=played), "test") for who in (first, second))
        pairs = [(x.outcome, y.outcome) for x, y in zip(a.episodes, b.episodes, strict=True)]
        decided = [pair for pair in pairs if not {*pair}.intersection(UNDECIDED)]
        outcome = compare_sequentially(((x == "success", y == "success") for x, y in decided), ALPHA)
        if outcome.better is not None or played == evaluation.episodes:
            return Stopped(outcome, a, b)
