"""Expert for picking up one object from above: hover, descend, close, lift, told apart by the state alone."""

import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..kinematics import goal_of
from ..objects import Shape

if TYPE_CHECKING:
    from ..manipulation_env import ManipulationEnv

HOVER = 0.10
"""Height above the grasp from which the gripper descends [m]."""
FUNNEL = 1.5
"""Height to keep for each metre (or YAW_ARM radians) of misalignment: the way down narrows to the object."""
YAW_ARM = 0.04
"""Misalignment [m] that one radian counts for."""
ALIGNED = 0.008
"""Misalignment [m] without extra height."""
IN_PLACE = 0.012
"""Close the gripper when this near to the grasp, sideways and in height [m]."""
STILL = 0.03
"""Fingers slower than this [m/s] have finished closing."""
RAISED = 0.14
"""Height of the gripper above the table at which a lift ends [m]."""


class PickExpert(Expert):
    """Needs `scenario.target` and `scenario.shape`."""

    def wanted(self, env: "ManipulationEnv") -> Float[np.ndarray, "n 5"]:
        """Where to head for."""
        data, index = env.data, env.world.robot
        reference = env.goals()[0]
        if env.scenario.target in env.world.held() and index.fingers_speed(data) < STILL:
            return np.array([[*reference[:2], RAISED, reference[3], -1.0]])
        grasp = grasp_of(env, env.scenario.target, env.scenario.shape)
        error = goal_of(data, index.site) - grasp
        misaligned = math.hypot(error[0], error[1]) + YAW_ARM * abs(error[3])
        if misaligned < IN_PLACE and abs(error[2]) < IN_PLACE:
            return np.append(grasp, -1.0)[None]
        commanded = reference[:4] - grasp
        misaligned = math.hypot(commanded[0], commanded[1]) + YAW_ARM * abs(commanded[3])
        grasp[2] += min(max(FUNNEL * (misaligned - ALIGNED), 0.0), HOVER)
        return np.append(grasp, 1.0)[None]


def grasp_of(env: "ManipulationEnv", body: int, shape: Shape) -> Float[np.ndarray, " 4"]:
    """Gripper [x, y, z, yaw] around a box, whichever side it stands on, fingers across its narrow side."""
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
