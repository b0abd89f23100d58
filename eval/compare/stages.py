"""Stages at which episodes ended, counted."""

from collections import Counter

from ...envs.tasks import load
from ..result import UNDECIDED, EpisodeResult, EvalResult


def count_endings(results: list[EvalResult]) -> tuple[list[str], list[Counter[str]]]:
    """Counts how the episodes of each result (all of one task) ended; returns all occurring endings, best
    first.

    An ending is "success", "error", "missing", or else the furthest stage of the task that was reached.
    """
    rows = [Counter(_ending(episode) for episode in result.episodes) for result in results]
    return [ending for ending in endings(results[0].task) if any(row[ending] for row in rows)], rows


def endings(task: str) -> list[str]:
    """Possible endings of an episode of `task`, best first."""
    return ["success", *reversed(load(task).stages), *UNDECIDED]


def _ending(episode: EpisodeResult) -> str:
    return episode.outcome if episode.outcome in ("success", *UNDECIDED) else episode.stage
