"""How far episodes got: counts of the stages at which they ended."""

from collections import Counter

from ...envs.tasks import load
from ..result import EpisodeResult, EvalResult


def count_endings(results: list[EvalResult]) -> tuple[list[str], list[Counter[str]]]:
    """All endings that occur, best first, and how often each of `results` (of one task) ended so.

    An ending is "success", "error", or else the furthest stage of the task that was reached.
    """
    rows = [Counter(_ending(episode) for episode in result.episodes) for result in results]
    return [ending for ending in endings(results[0].task) if any(row[ending] for row in rows)], rows


def endings(task: str) -> list[str]:
    """All endings that an episode of `task` can have, best first."""
    return ["success", *reversed(load(task).stages), "error"]


def _ending(episode: EpisodeResult) -> str:
    return episode.outcome if episode.outcome in ("success", "error") else episode.stage
