"""Expert for knobs: fingers on either side of the bar, turn with it, let go, rise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..world import World
from .carry import retreat
from .pick import reach

ARRIVED = 0.03
"""Let go when this near to the goal [rad]."""
GAIN = 6.0
"""Speed of the turn for each radian that is left [1/s]."""


@dataclass(frozen=True)
class Turn:
    """One bar to turn about the vertical."""

    body: int
    middle: Float[np.ndarray, " 3"]
    """Of the bar, on the axis [m]."""
    angle: float
    """Of the bar now: where the fingers' yaw has to be [rad]."""
    goal: float
    """[rad]"""
    near_enough: float
    """Once the fingers have left, the bar may stay if it is this near to its goal [rad]."""


class TurnExpert(Expert):
    """Does the one turn that a task asks for."""

    def __init__(self, turn: Callable[[World, Any], Turn]) -> None:
        self._turn = turn

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Where to head for."""
        turn = self._turn(env.world, env.scenario)
        way = turn.goal - turn.angle
        if turn.body not in env.world.held():
            grasp = np.append(turn.middle, turn.angle)
            return (retreat(env) if abs(way) < turn.near_enough else reach(env, grasp))[None]
        yaw = env.goals()[0, 3] + way * min(1.0, GAIN / env.control_hz)
        return np.array([[*turn.middle, yaw, 1.0 if abs(way) < ARRIVED else -1.0]])
