"""Controller: from a wanted gripper target to joint servo setpoints, the same for every action space."""

from typing import Any

import numpy as np
from jaxtyping import Float

from .control import POSE_DIMS, ControlLimits
from .gl import mujoco
from .kinematics import Kinematics, pose_of
from .robot import Robot, RobotIndex

SUBSTEPS_PER_SETPOINT = 4
"""Physics steps between two setpoints of the ramp."""


class Controller:
    """Holds the last commanded target and moves the arm to the next one within a control step.

    Setpoints ramp from one target to the next, ahead by the servos' lag, so that the arm is where it was told
    to be when the control step ends, and a policy that sees the measured pose nearly knows the commanded one.
    """

    def __init__(self, robot: Robot, model: Any, control_hz: float, limits: ControlLimits) -> None:
        self._kinematics = Kinematics(robot)
        self._index = RobotIndex.of(robot, model)
        self._home = np.array(robot.home)
        self._travel = robot.finger_travel
        self._limits = limits
        self._control_hz = control_hz
        self._substeps = substeps(control_hz, model.opt.timestep)
        self._joints = self._home
        self.reference: Float[np.ndarray, " 5"] = np.zeros(POSE_DIMS + 1)
        """The commanded target [x, y, z, yaw, gripper]."""

    def place(self, data: Any, target: Float[np.ndarray, " 5"]) -> None:
        """Puts the arm at rest at `target`, without time passing."""
        data.qpos[self._index.arm] = self._kinematics.solve(self._home, target[:POSE_DIMS], passes=50)
        data.qpos[self._index.fingers] = self._travel if target[POSE_DIMS] > 0 else 0.0

    def hold(self, data: Any) -> None:
        """Takes the measured pose as the commanded target. Needs up-to-date kinematics in `data`."""
        self._joints = data.qpos[self._index.arm].copy()
        open_ = self._index.opening(data) > self._travel
        self.reference = np.append(pose_of(data, self._index.site), 1.0 if open_ else -1.0)
        data.ctrl[self._index.ctrl] = [*self._joints, *(2 * [self._travel if open_ else 0.0])]

    def step(self, model: Any, data: Any, wanted: Float[np.ndarray, " 5"]) -> None:
        """One control step towards `wanted`, as far as the limits allow."""
        self.reference = self._limits.next_target(self.reference, wanted, self._control_hz)
        joints = self._kinematics.solve(self._joints, self.reference[:POSE_DIMS])
        change = joints - self._joints
        # A servo trails a moving setpoint by lag * velocity; asking for that much more cancels it.
        ahead = self._index.lag * change * self._control_hz
        ctrl = np.empty(len(self._index.ctrl))
        ctrl[len(joints) :] = self._travel if self.reference[POSE_DIMS] > 0 else 0.0
        done = 0
        while done < self._substeps:
            count = min(SUBSTEPS_PER_SETPOINT, self._substeps - done)
            done += count
            middle = (done - count / 2) / self._substeps  # where the ramp is while this setpoint holds
            ctrl[: len(joints)] = self._joints + change * middle + ahead
            data.ctrl[self._index.ctrl] = ctrl
            mujoco.mj_step(model, data, nstep=count)
        self._joints = joints


def substeps(control_hz: float, timestep: float) -> int:
    """Physics steps in one control step.

    Raises:
        ValueError: the physics step [s] does not divide the control step.
    """
    count = 1.0 / (control_hz * timestep) if control_hz > 0 else 0.0
    if count < 1 or abs(count - round(count)) > 1e-6:
        valid = [f"{hz:g}" for hz in (5, 10, 20, 25, 40, 50) if abs(1 / (hz * timestep) % 1) < 1e-6]
        raise ValueError(
            f"control_hz {control_hz!r} is not a whole number of {timestep * 1e3:g} ms physics steps; "
            f"for example {', '.join(valid)} are"
        )
    return round(count)
