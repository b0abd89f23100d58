"""Expert for objects too wide to grasp: closed fingers press on one from above, drag it and rise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..props.objects import at_rest
from ..world import World
from .carry import RETREAT, up_first
from .pick import cone

HOVER = 0.06
"""Height above the object from which the fingers descend [m]."""
DEPTH = 0.002
"""Commanded depth of the fingertips below the object's top [m]: a servo's force grows with its error."""
TOUCHING = 0.003
"""Largest height of the fingertips above the object's top at which they press on it [m]."""
MIDDLE = 0.025
"""Largest distance from the object's center at which the fingers press on its middle [m]."""
CLOSED = 0.02
"""Largest opening of fingers that can press [m]."""
GAIN = 8.0
"""Speed of the drag per meter of remaining distance [1/s]: an object that arrives fast slides on."""
ARRIVED = 0.008
"""Largest distance of the object from its destination at which the fingers rise [m]."""


@dataclass(frozen=True)
class Drag:
    """One flat object and its destination."""

    body: int
    top: float
    """Height of the object's top above the table [m]."""
    spot: Float[np.ndarray, " 2"]
    """Destination of the object's center, x and y [m]."""
    near_enough: float
    """Largest distance from its destination at which the object may stay once the fingers have left [m]."""


class PressExpert(Expert):
    """Expert that performs the one drag a task asks for."""

    def __init__(self, drag: Callable[[World, Any], Drag]) -> None:
        self._drag = drag

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        drag = self._drag(env.world, env.scenario)
        data, reference = env.data, env.goals()[0]
        center = data.xpos[drag.body, :2]
        tips = env.world.robot.lowest(env.model, data)
        gripper = data.site_xpos[env.world.robot.site]
        pressing = (
            np.hypot(*(gripper[:2] - center)) < MIDDLE
            and tips < drag.top + TOUCHING
            and env.world.robot.opening(data) < CLOSED
        )
        way = drag.spot - center
        arrived = np.hypot(*way) < (ARRIVED if pressing else drag.near_enough)
        if arrived and (at_rest(env.world, drag.body) or not pressing):
            return np.array([[*reference[:2], max(RETREAT, reference[2]), reference[3], -1.0]])
        height = drag.top - DEPTH + gripper[2] - tips
        if pressing:
            way *= min(1.0, GAIN / env.control_hz)
            return np.array([[*(reference[:2] + way), height, reference[3], -1.0]])
        press = np.array([*center, height, 0.0])
        press[2] += cone(reference[:4], press, HOVER)
        return up_first(env, np.append(press, -1.0))[None]
