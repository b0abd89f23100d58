"""Expert for buttons: closed fingers move above the next button and push it down."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..world import World
from .carry import RETREAT, up_first
from .pick import cone

HOVER = 0.06
"""Height above a button from which the fingers descend [m]."""
DEPTH = 0.004
"""Commanded depth of the fingertips below the pressed button [m]: a servo's force grows with its error."""
CLOSED = 0.02
"""Largest opening of fingers that can push [m]."""


class PokeExpert(Expert):
    """Expert that presses the button a task returns for a state, until it returns none, and then rises.

    Args:
        button: function that returns the top of the next button when pressed [m].
    """

    def __init__(self, button: Callable[[World, Any], Float[np.ndarray, " 3"] | None]) -> None:
        self._button = button

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        robot, reference = env.world.robot, env.goals()[0]
        button = self._button(env.world, env.scenario)
        if button is None:
            return np.array([[*reference[:2], max(RETREAT, reference[2]), reference[3], -1.0]])
        length = env.data.site_xpos[robot.site, 2] - robot.lowest(env.model, env.data)
        pose = np.append(button, 0.0)
        pose[2] += length - DEPTH
        closed = robot.opening(env.data) < CLOSED
        pose[2] += cone(reference[:4], pose, HOVER) if closed else HOVER
        return up_first(env, np.append(pose, -1.0))[None]
