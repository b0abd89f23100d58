"""Inverse kinematics of one arm by damped least squares, on a model of the bare arm (a few µs per pass)."""

import numpy as np
from jaxtyping import Float

from . import rotations
from .control import ROTATION
from .gl import mujoco
from .robot import Robot

DAMPING = 1e-4 * np.eye(6)
"""Damping added to J J^T, which bounds the joint step near singular poses."""
POSTURE_GAIN = 0.2
"""Share of the way to the home posture that the redundant joint moves in each control step."""
TOLERANCE = 1e-4
"""Pose error [m, rad] at which the iteration stops."""


class Kinematics:
    """Gripper poses [x, y, z (m, world), 6-D rotation] from joint angles, and back.

    Computed with Python and MuJoCo's own small functions rather than numpy: they give the same result on
    every processor and are less code, all of which must be fetched from memory again after a frame was
    rendered.
    """

    def __init__(self, robot: Robot) -> None:
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        robot.add_to(spec)
        for finger in robot.fingers:
            spec.delete(spec.actuator(robot.name(finger)))
            spec.delete(spec.joint(robot.name(finger)))
        self._model = spec.compile()
        joints = [self._model.joint(i).name for i in range(self._model.njnt)]
        assert joints == [robot.name(joint) for joint in robot.joint_names]
        self._data = mujoco.MjData(self._model)
        self._site = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_SITE, robot.name("ee"))
        self._home = np.array(robot.home)
        self._low, self._high = np.array(robot.joint_low), np.array(robot.joint_high)
        self._jacobian, self._gram = np.zeros((6, self._model.nv)), np.zeros((6, 6))
        self._shift, self._change = np.zeros(6), np.zeros(self._model.nv)
        # Views that follow the data.
        self._joints = self._data.qpos
        self._position, self._rotation = self._data.site_xpos[self._site], self._data.site_xmat[self._site]

    def forward(self, joints: Float[np.ndarray, " j"]) -> Float[np.ndarray, " 9"]:
        """Gripper pose at joint angles [rad]."""
        self._place(joints)
        return pose_of(self._data, self._site)

    def solve(
        self, start: Float[np.ndarray, " j"], pose: Float[np.ndarray, " 9"], passes: int = 6
    ) -> Float[np.ndarray, " j"]:
        """Joint angles [rad] near `start` that bring the gripper to `pose`, or as close as `passes` get.

        Each pass adds J^T (J J^T + damping I)^-1 e (Buss, "Introduction to inverse kinematics", 2004); the
        first pass also adds the null-space component of a pull toward home (Liegeois 1977).
        """
        wanted = pose.tolist()
        joints = start.copy()
        for number in range(passes):
            self._place(joints)
            error = _error(wanted, self._position.tolist(), self._rotation.tolist())
            if sum(e * e for e in error) < TOLERANCE**2:
                break
            model, data, jacobian, gram = self._model, self._data, self._jacobian, self._gram
            mujoco.mj_comPos(model, data)  # the Jacobian is taken about the center of mass
            mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], self._site)
            mujoco.mju_mulMatMatT(gram, jacobian, jacobian)
            gram += DAMPING
            step = np.array(error)
            if number == 0:  # again and again, it would keep the iteration from settling
                pull = POSTURE_GAIN * (self._home - joints)
                mujoco.mju_mulMatVec(self._shift, jacobian, pull)
                joints = joints + pull
                step -= self._shift
            mujoco.mju_cholFactor(gram, 0.0)
            mujoco.mju_cholSolve(step, gram, step)
            mujoco.mju_mulMatTVec(self._change, jacobian, step)
            joints = np.minimum(np.maximum(joints + self._change, self._low), self._high)
        return joints

    def _place(self, joints: np.ndarray) -> None:
        self._joints[:] = joints
        mujoco.mj_kinematics(self._model, self._data)


def _error(wanted: list[float], position: list[float], rotation: list[float]) -> list[float]:
    """Error relative to a pose [m, rad], at a position and rotation matrix (row by row)."""
    x, y, z, *columns = wanted
    first, second = columns[:3], columns[3:]
    # Half the sum of cross products of matching axes is the rotation vector, for small errors.
    one = _cross(rotation[0::3], first)
    two = _cross(rotation[1::3], second)
    three = _cross(rotation[2::3], _cross(first, second))
    turn = [(a + b + c) / 2 for a, b, c in zip(one, two, three, strict=True)]
    return [x - position[0], y - position[1], z - position[2], *turn]


def _cross(one: list[float], other: list[float]) -> list[float]:
    (a, b, c), (x, y, z) = one, other
    return [b * z - c * y, c * x - a * z, a * y - b * x]


def pose_of(data: mujoco.MjData, site: int) -> Float[np.ndarray, " 9"]:
    """Position and rotation, [x, y, z (m), 6-D rotation], of a site."""
    rotation = data.site_xmat[site]
    return np.concatenate([data.site_xpos[site], rotation[0::3], rotation[1::3]])


def goal_of(data: mujoco.MjData, site: int) -> Float[np.ndarray, " 4"]:
    """Position and yaw, [x, y, z (m), yaw (rad)], of a gripper's site."""
    pose = pose_of(data, site)
    return np.append(pose[:3], rotations.to_yaw(pose[ROTATION]))
