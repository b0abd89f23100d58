"""Controller: turns commands into joint servo setpoints, the same way for every action space."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..common.errors import InputError
from . import rotations
from .control import GRIPPER, JOINTS, ROTATION
from .gl import mujoco
from .kinematics import Kinematics, pose_of
from .robot import Robot, RobotIndex

SUBSTEPS_PER_SETPOINT = 4
"""Physics steps between two setpoints of the ramp."""


class _Arm:
    """Part of the controller for one arm."""

    def __init__(self, robot: Robot, model: mujoco.MjModel) -> None:
        self.kinematics = Kinematics(robot)
        self.index = RobotIndex.of(robot, model)
        self.home, self.travel = np.array(robot.home), robot.finger_travel
        self.joint_low, self.joint_high = np.array(robot.joint_low), np.array(robot.joint_high)
        self.limits = robot.limits

    def command(self, reference: np.ndarray, wanted: np.ndarray, kind: str, control_hz: float) -> np.ndarray:
        command = np.empty(len(reference))
        command[GRIPPER] = 1.0 if wanted[GRIPPER] > 0 else -1.0
        if kind == "joint":
            reach = self.limits.joint_rate / control_hz
            step = np.clip(wanted[JOINTS:] - reference[JOINTS:], -reach, reach)
            command[JOINTS:] = np.clip(reference[JOINTS:] + step, self.joint_low, self.joint_high)
            command[:GRIPPER] = self.kinematics.forward(command[JOINTS:])
        else:
            command[:GRIPPER] = self.limits.next_pose(reference[:GRIPPER], wanted[:GRIPPER], control_hz)
            command[JOINTS:] = self.kinematics.solve(reference[JOINTS:], command[:GRIPPER])
        return command


@dataclass(frozen=True)
class ControllerState:
    """Commands that decide how a controller goes on. No array in it is ever written to."""

    reference: Float[np.ndarray, " r"]
    executed: Float[np.ndarray, " r"]
    waiting: tuple[Float[np.ndarray, " r"], ...]


class Controller:
    """Holds the last command and moves the arms to the next one within a control step.

    Setpoints ramp from one command to the next, ahead by the servos' lag. So an arm has reached its command
    when the control step ends, and a policy that sees the measured pose nearly knows the commanded one.
    """

    def __init__(self, robots: Sequence[Robot], model: mujoco.MjModel, control_hz: float) -> None:
        self._arms = [_Arm(robot, model) for robot in robots]
        ends = np.cumsum([JOINTS + len(robot.joint_names) for robot in robots]).tolist()
        self._slots = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self._control_hz = control_hz
        total = substeps(control_hz, model.opt.timestep)
        starts = np.arange(0, total, SUBSTEPS_PER_SETPOINT)
        lengths = np.minimum(SUBSTEPS_PER_SETPOINT, total - starts)
        self._blocks: list[int] = lengths.tolist()
        self._middles = ((starts + lengths / 2) / total)[:, None]  # where the ramp is while a setpoint holds
        self.reference: Float[np.ndarray, " r"] = np.zeros(ends[-1])
        """Newest command (see control.py)."""
        self._executed = self.reference
        self._waiting: deque[np.ndarray] = deque()

    def place(self, data: mujoco.MjData, start: Float[np.ndarray, "n 5"]) -> None:
        """Puts the arms at rest at [x, y, z, yaw, gripper] without simulating."""
        for arm, (x, y, z, yaw, gripper) in zip(self._arms, start.tolist(), strict=True):
            pose = np.array([x, y, z, *rotations.from_yaw(yaw)])
            data.qpos[arm.index.arm] = arm.kinematics.solve(arm.home, pose, passes=50)
            data.qpos[arm.index.fingers] = arm.travel if gripper > 0 else 0.0

    def hold(self, data: mujoco.MjData, delay: int = 0) -> None:
        """Takes the measured poses as the command. Needs up-to-date kinematics in `data`.

        Args:
            data: state to measure.
            delay: control steps from a command's call of `step` to its execution.
        """
        reference = np.empty_like(self.reference)
        for arm, slot in zip(self._arms, self._slots, strict=True):
            joints = data.qpos[arm.index.arm]
            open_ = arm.index.opening(data) > 1.75 * arm.travel  # wider than anything held
            pose = pose_of(data, arm.index.site)
            reference[slot] = np.concatenate([pose, [1.0 if open_ else -1.0], joints])
            data.ctrl[arm.index.ctrl] = [*joints, *(2 * [arm.travel if open_ else 0.0])]
        self.reference = self._executed = reference
        self._waiting = deque([reference] * delay)

    def state(self) -> ControllerState:
        """State with which `restore` continues from here."""
        return ControllerState(self.reference, self._executed, tuple(self._waiting))

    def restore(self, state: ControllerState) -> None:
        """Continues from `state`."""
        self.reference, self._executed = state.reference, state.executed
        self._waiting = deque(state.waiting)

    def continue_from(self, other: "Controller", delay: int = 0) -> None:
        """Takes over the newest command of another controller of the same arms."""
        self.reference = self._executed = other.reference.copy()
        self._waiting = deque([self.reference] * delay)

    def command(self, wanted: Float[np.ndarray, " r"], kind: str) -> Float[np.ndarray, " r"]:
        """Next command when `wanted` is asked for: as far toward it as the limits allow in one control step.

        Args:
            wanted: a command whose poses ("ee", "ee6d") or joint targets ("joint") count.
            kind: which of them count (see control.py).
        """
        return self.follow(self.reference, wanted, kind)

    def follow(
        self, reference: Float[np.ndarray, " r"], wanted: Float[np.ndarray, " r"], kind: str
    ) -> Float[np.ndarray, " r"]:
        """Computes a command as `command` does, but starting from another command than the newest one."""
        command = np.empty(len(reference))
        for arm, slot in zip(self._arms, self._slots, strict=True):
            command[slot] = arm.command(reference[slot], wanted[slot], kind, self._control_hz)
        return command

    def step(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        command: Float[np.ndarray, " r"],
        between: Callable[[float], None] | None = None,
    ) -> None:
        """Performs one control step with `command` as the newest one, which is executed unless there is a
        delay.

        Args:
            between: called after each setpoint has been held, with the share of the control step that is
                done, up to 1.
        """
        self._waiting.append(command)
        self.reference, command = command, self._waiting.popleft()
        ramps = []
        for arm, slot in zip(self._arms, self._slots, strict=True):
            start, end = self._executed[slot], command[slot]
            change = end[JOINTS:] - start[JOINTS:]
            # A servo trails a moving setpoint by lag * velocity; adding that much to the setpoint cancels it.
            ahead = arm.index.lag * change * self._control_hz
            ramps.append((arm.index.ctrl[:-2], start[JOINTS:] + change * self._middles + ahead))
            data.ctrl[arm.index.ctrl[-2:]] = arm.travel if end[GRIPPER] > 0 else 0.0
        for number, block in enumerate(self._blocks):
            for joints, ramp in ramps:
                data.ctrl[joints] = ramp[number]
            mujoco.mj_step(model, data, nstep=block)
            if between is not None:
                between((number + 1) / len(self._blocks))
        self._executed = command

    def goals(self) -> Float[np.ndarray, "n 5"]:
        """[x, y, z, yaw, gripper] of the newest command, arm by arm."""
        parts = [self.reference[slot] for slot in self._slots]
        return np.array([[*c[:3], rotations.to_yaw(c[ROTATION]), c[GRIPPER]] for c in parts])

    def with_goals(self, goals: Float[np.ndarray, "n 5"]) -> Float[np.ndarray, " r"]:
        """Newest command with its poses and grippers replaced by [x, y, z, yaw, gripper] for each arm."""
        wanted = self.reference.copy()
        for slot, (x, y, z, yaw, gripper) in zip(self._slots, goals.tolist(), strict=True):
            wanted[slot][:JOINTS] = [x, y, z, *rotations.from_yaw(yaw), gripper]
        return wanted


def substeps(control_hz: float, timestep: float) -> int:
    """Number of physics steps in one control step.

    Raises:
        ValueError: the physics step [s] does not divide the control step.
    """
    count = 1.0 / (control_hz * timestep) if control_hz > 0 else 0.0
    if count < 1 or abs(count - round(count)) > 1e-6:
        valid = [f"{hz:g}" for hz in (5, 10, 20, 25, 40, 50) if abs(1 / (hz * timestep) % 1) < 1e-6]
        raise InputError(
            f"control_hz {control_hz!r} is not a whole number of {timestep * 1e3:g} ms physics steps; "
            f"for example {', '.join(valid)} are"
        )
    return round(count)
