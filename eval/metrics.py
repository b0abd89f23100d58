"""What episodes say beyond success: how fast the good ones were, and how far the others came."""

import math
from collections import Counter

from .result import EvalResult


def mean_steps_to_success(result: EvalResult) -> float:
    """Mean control steps of the successful episodes; nan without any."""
    steps = [e.steps for e in result.episodes if e.outcome == "success"]
    return sum(steps) / len(steps) if steps else math.nan


def stage_counts(result: EvalResult) -> dict[str, int]:
    """Episodes whose furthest stage was each, the task's worst stage first; errors are left out."""
    from ..envs.tasks import load

    counts = Counter(e.stage for e in result.episodes if e.outcome != "error")
    return {stage: counts[stage] for stage in load(result.task).stages}
