"""Expert that picks up one object from above (hover, descend, close, lift), as a function of the state
alone."""

import math

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView
from ..kinematics import goal_of
from ..props.objects import Shape

HOVER = 0.10
"""Height above the grasp from which the gripper descends [m]."""
FUNNEL = 1.5
"""Height to keep per meter (or YAW_ARM radians) of misalignment: the way down narrows toward the object."""
YAW_ARM = 0.04
"""Misalignment that counts as much as one radian of yaw [m]."""
ALIGNED = 0.008
"""Misalignment that needs no extra height [m]."""
IN_PLACE = 0.012
"""Largest distance from the grasp, horizontally and in height, at which the gripper closes [m]."""
STILL = 0.03
"""Speed below which fingers have finished closing [m/s]."""
RAISED = 0.14
"""Height of the gripper above the table at which a lift ends [m]."""


class PickExpert(Expert):
    """Expert for scenarios with a `target` and its `shape`."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of the gripper for the current state."""
        if in_grip(env, env.scenario.target):
            reference = env.goals()[0]
            return np.array([[*reference[:2], RAISED, reference[3], -1.0]])
        return reach(env, grasp_of(env, env.scenario.target, env.scenario.shape))[None]


def in_grip(env: ExpertView, body: int) -> bool:
    """True when the fingers have closed around a body."""
    return body in env.world.held() and env.world.robot.fingers_speed(env.data) < STILL


def reach(env: ExpertView, grasp: Float[np.ndarray, " 4"]) -> Float[np.ndarray, " 5"]:
    """Hovers over a grasp, descends around it and closes there."""
    if in_place(env, grasp):
        return np.append(grasp, -1.0)
    lift = cone(env.goals()[0, :4], grasp, HOVER)
    return np.array([*grasp[:2], grasp[2] + lift, grasp[3], 1.0])


def in_place(env: ExpertView, pose: Float[np.ndarray, " 4"]) -> bool:
    """True when the gripper is at [x, y, z, yaw]."""
    error = goal_of(env.data, env.world.robot.site) - pose
    return bool(misalignment(error) < IN_PLACE and abs(error[2]) < IN_PLACE)


def cone(commanded: Float[np.ndarray, " 4"], pose: Float[np.ndarray, " 4"], top: float) -> float:
    """Height to keep above `pose` on the way down to it, at most `top` [m]: a cone with its tip there."""
    return min(max(FUNNEL * (misalignment(commanded - pose) - ALIGNED), 0.0), top)


def misalignment(error: Float[np.ndarray, " 4"]) -> float:
    """Misalignment of a gripper that is off by [x, y, z, yaw], horizontally and in yaw [m]."""
    return math.hypot(error[0], error[1]) + YAW_ARM * abs(error[3])


def grasp_of(env: ExpertView, body: int, shape: Shape) -> Float[np.ndarray, " 4"]:
    """Gripper pose [x, y, z, yaw] around a box on any of its sides, with the fingers across its narrow
    side."""
    rotation = env.data.xmat[body].reshape(3, 3)
    up = int(np.argmax(np.abs(rotation[2])))
    one, other = (axis for axis in range(3) if axis != up)
    along = rotation[:2, one if shape.size[one] >= shape.size[other] else other]
    # A square looks the same after a quarter turn, a rectangle after half a turn.
    period = math.pi / 2 if shape.size[one] == shape.size[other] else math.pi
    yaw = (math.atan2(along[1], along[0]) + period / 2) % period - period / 2
    pose = np.append(env.data.xpos[body], yaw)
    pose[2] += shape.grasp if up == 2 else 0.0
    return pose
