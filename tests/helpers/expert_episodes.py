"""Lets a task's expert act up to a point, within the episode's time."""

from collections.abc import Callable
from typing import Any


def act_until(env: Any, reached: Callable[[], bool]) -> None:
    """Has the expert act until `reached()`; fails if the episode's time is over before."""
    expert = env.definition.expert()
    for _ in range(round(env.definition.time_limit * env.control_hz)):
        if reached():
            return
        env.step(expert.act(env))
    assert reached(), "the expert did not get there within the task's time limit"
