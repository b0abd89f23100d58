"""What episodes say beyond success; where the others ended is counted in stages.py."""

import math

from .result import EvalResult


def mean_steps_to_success(result: EvalResult) -> float:
    """Mean control steps of the successful episodes; nan without any."""
    steps = [e.steps for e in result.episodes if e.outcome == "success"]
    return sum(steps) / len(steps) if steps else math.nan
