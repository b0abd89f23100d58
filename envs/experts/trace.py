"""Expert that follows a drawn curve with closed fingers."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..props.curves import at, nearest
from ..world import World
from .pick import cone

SPEED = 0.12
"""Speed along the curve [m/s]."""
STRIDE = 0.012
"""Longest advance along the curve in one control step [m]: corners are cut by less than half of it."""
TIP = 0.006
"""Height of the fingertips above the table while they draw [m]."""
HOVER = 0.03
"""Height above the drawing height from which the fingertips descend [m]."""
ON_CURVE = 0.012
"""Distance from the curve beyond which fingertips take it up again where they left it [m]."""
RISEN = 0.08
"""Final height of the gripper [m]."""


class TraceExpert(Expert):
    """Expert for scenarios with a `line`.

    Args:
        visited: function that returns how many of its points have been visited.
    """

    def __init__(self, visited: Callable[[World], int]) -> None:
        self._visited = visited

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        line, reference, visited = env.scenario.line, env.goals()[0], self._visited(env.world)
        if visited == len(line):
            return np.array([[*reference[:2], RISEN, 0.0, -1.0]])
        gripper = env.data.site_xpos[env.world.robot.site, 2]
        height = TIP + gripper - env.world.robot.lowest(env.model, env.data)
        here = reference[:2]
        first = max(visited - 3, 0)
        position, away = nearest(here[None], line[first : visited + 2])
        if away[0] < ON_CURVE:
            stride = min(SPEED / env.control_hz, STRIDE) / np.linalg.norm(line[1] - line[0])
            goal = at(line, min(first + position[0] + stride, visited + 0.5))
            return np.array([[*goal, height, 0.0, -1.0]])
        start = np.array([*line[visited], height, 0.0])
        start[2] += cone(reference[:4], start, HOVER)
        return np.append(start, -1.0)[None]
