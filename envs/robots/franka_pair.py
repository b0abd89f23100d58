"""Two Franka arms that face each other across the table, left and right as seen through the front camera.

Each gripper stays on its own side of y = 0, so that only what it holds crosses over. Yaw is measured in the
world frame: the right arm points its hand to -y at yaw -pi/2, the left arm to +y at pi/2, and neither range
contains pi, where yaw wraps.
"""

import math

from ..control import ControlLimits
from ..robot import Robot
from .franka import Franka

MIDDLE_X = 0.485
"""Position of both bases and of the front camera along x [m]."""
BASE_Y = 0.53
"""Position of the right base along y [m]."""
REACH_Y = (0.0, 0.20)
"""Range of the right gripper's y [m]."""
REACH_X = 0.20
"""Largest distance from the middle, in x [m]."""
YAW = 1.45
"""Largest yaw from straight ahead [rad]."""


def arms() -> tuple[Robot, ...]:
    """The left and the right arm."""
    return _arm("left_", -1), _arm("right_", 1)


def _arm(prefix: str, side: int) -> Robot:
    low_y, high_y = sorted(side * y for y in REACH_Y)
    ahead = -side * math.pi / 2
    limits = ControlLimits(
        low=(MIDDLE_X - REACH_X, low_y, 0.012),
        high=(MIDDLE_X + REACH_X, high_y, 0.32),
        yaw=(ahead - YAW, ahead + YAW),
    )
    return Franka(prefix, (MIDDLE_X, side * BASE_Y, ahead), limits)
