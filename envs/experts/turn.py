"""Expert for knobs: fingers on either side of the bar turn with it, let go and rise."""

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
"""Largest angle from the goal at which the fingers let go [rad]."""
GAIN = 6.0
"""Speed of the turn per radian of remaining angle [1/s]."""


@dataclass(frozen=True)
class Turn:
    """One bar to turn about the vertical axis."""

    body: int
    middle: Float[np.ndarray, " 3"]
    """Middle of the bar, on the axis [m]."""
    angle: float
    """Current angle of the bar, which the fingers' yaw must match [rad]."""
    goal: float
    """Angle to turn the bar to [rad]."""
    near_enough: float
    """Largest angle from its goal at which the bar may stay once the fingers have left [rad]."""


class TurnExpert(Expert):
    """Expert that performs the one turn a task asks for."""

    def __init__(self, turn: Callable[[World, Any], Turn]) -> None:
        self._turn = turn

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        turn = self._turn(env.world, env.scenario)
        way = turn.goal - turn.angle
        if turn.body not in env.world.held():
            grasp = np.append(turn.middle, turn.angle)
            return (retreat(env) if abs(way) < turn.near_enough else reach(env, grasp))[None]
        yaw = env.goals()[0, 3] + way * min(1.0, GAIN / env.control_hz)
        return np.array([[*turn.middle, yaw, 1.0 if abs(way) < ARRIVED else -1.0]])
