"""Inverse kinematics of one arm by damped least squares, on a model of the bare arm (a few µs a pass)."""

from typing import Any

import numpy as np
from jaxtyping import Float

from . import rotations
from .control import ROTATION
from .gl import mujoco
from .robot import Robot, RobotIndex

DAMPING = 1e-4 * np.eye(6)
"""Added to J J^T; bounds the joint step near singular poses."""
POSTURE_GAIN = 0.2
"""Share of the way to the home posture that the spare joint goes in each control step."""
TOLERANCE = 1e-4
"""Pose error [m, rad] at which the iteration stops."""


class Kinematics:
    """Gripper poses [x, y, z (m, world), 6-D rotation] from joint angles, and back."""

    def __init__(self, robot: Robot) -> None:
        spec = mujoco.MjSpec()
        spec.compiler.degree = False
        robot.add_to(spec)
        self._model: Any = spec.compile()
        self._data: Any = mujoco.MjData(self._model)
        self._index = RobotIndex.of(robot, self._model)
        self._home = np.array(robot.home)
        self._low, self._high = np.array(robot.joint_low), np.array(robot.joint_high)
        self._jacobian = np.zeros((6, self._model.nv))
        # Views, which follow the data.
        self._qpos = self._data.qpos
        self._position = self._data.site_xpos[self._index.site]
        self._rotation = self._data.site_xmat[self._index.site].reshape(3, 3)

    def forward(self, joints: Float[np.ndarray, " j"]) -> Float[np.ndarray, " 9"]:
        """Gripper pose at joint angles [rad]."""
        self._place(joints)
        return pose_of(self._data, self._index.site)

    def solve(
        self, start: Float[np.ndarray, " j"], pose: Float[np.ndarray, " 9"], passes: int = 6
    ) -> Float[np.ndarray, " j"]:
        """Joint angles [rad] near `start` that bring the gripper to `pose`, or as close as `passes` get.

        Each pass adds J^T (J J^T + damping I)^-1 e (Buss, "Introduction to inverse kinematics", 2004); the
        first one also the null-space share of a pull towards home (Liegeois 1977).
        """
        # `dot`, not `@`: the same numbers, but after a frame was rendered `@` takes several times as long.
        x, y, z, u, v, w = pose[ROTATION].tolist()
        wanted = np.array(  # the third column is the cross product of the first two
            [[x, u, y * w - z * v], [y, v, z * u - x * w], [z, w, x * v - y * u]]
        )
        joints = start.copy()
        error = np.empty(6)
        pull = POSTURE_GAIN * (self._home - joints)
        for _ in range(passes):
            self._place(joints)
            error[:3] = pose[:3] - self._position
            # Half the sum of cross products of matching axes: the rotation vector, for small errors. Its
            # components are the skew part of wanted @ rotation.T.
            (_, a, b), (c, _, d), (e, f, _) = wanted.dot(self._rotation.T).tolist()
            error[3:] = 0.5 * (f - d), 0.5 * (b - e), 0.5 * (c - a)
            if error.dot(error) < TOLERANCE**2:
                break
            mujoco.mj_comPos(self._model, self._data)  # the Jacobian is taken about the centre of mass
            mujoco.mj_jacSite(
                self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._index.site
            )
            jacobian = self._jacobian.take(self._index.arm_dofs, axis=1)
            gram, step = jacobian.dot(jacobian.T) + DAMPING, error - jacobian.dot(pull)
            # In place. `np.linalg.solve` takes several times as long.
            mujoco.mju_cholFactor(gram, 0.0)
            mujoco.mju_cholSolve(step, gram, step)
            joints += pull + jacobian.T.dot(step)
            joints = np.minimum(np.maximum(joints, self._low), self._high)
            pull = 0.0 * pull  # again and again, it would keep the iteration from settling
        return joints

    def _place(self, joints: np.ndarray) -> None:
        self._qpos[self._index.arm] = joints
        mujoco.mj_kinematics(self._model, self._data)


def pose_of(data: Any, site: int) -> Float[np.ndarray, " 9"]:
    """[x, y, z (m), 6-D rotation] of a site."""
    rotation = data.site_xmat[site]
    return np.concatenate([data.site_xpos[site], rotation[0::3], rotation[1::3]])


def goal_of(data: Any, site: int) -> Float[np.ndarray, " 4"]:
    """[x, y, z (m), yaw (rad)] of a gripper's site."""
    pose = pose_of(data, site)
    return np.append(pose[:3], rotations.to_yaw(pose[ROTATION]))
