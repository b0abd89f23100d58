"""Expert for reaching: it approaches a point above an object from above."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..world import World
from .pick import HOVER, cone


class HoverExpert(Expert):
    """Expert that moves with open fingers to the point [m] that a task returns for a state."""

    def __init__(self, point: Callable[[World, Any], Float[np.ndarray, " 3"]]) -> None:
        self._point = point

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        pose = np.append(self._point(env.world, env.scenario), 0.0)
        pose[2] += cone(env.goals()[0, :4], pose, HOVER)
        return np.append(pose, 1.0)[None]
