"""Robot: what a task and the controller need to know about an arm, and where its data sits in a model."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from .control import ArmSpec, ControlLimits
from .gl import mujoco


class Robot(ABC):
    """An arm with a parallel gripper on the table. Its names in the model begin with `prefix`.

    Args:
        prefix: distinguishes several arms in one scene, e.g. "left_".
        base: x, y [m] and yaw [rad] of its base in the world frame.
        limits: bounds on its commands; `default_limits` if not given.
    """

    joint_names: tuple[str, ...]
    """Arm joints from base to tip, without prefix. The other names are fixed: "finger_left", "finger_right"
    (slide joints, 0 is closed), "pad_left", "pad_right" (geoms that touch what is grasped), "ee" (site
    between the pads: z points out of the gripper, fingers close along y) and "hand" (body that carries them).
    Each actuator has the name of its joint."""
    home: tuple[float, ...]
    """Arm joint angles that keep the elbow in a sensible place and attract the inverse kinematics [rad]."""
    joint_low: tuple[float, ...]
    """Lower joint limits [rad]."""
    joint_high: tuple[float, ...]
    """Upper joint limits [rad]."""
    finger_travel: float
    """Travel of one finger from the closed position [m]."""
    pads_outer: float
    """Distance from the middle of the open gripper to the outer face of a pad [m]."""
    default_limits: ControlLimits = ControlLimits()

    def __init__(
        self,
        prefix: str = "",
        base: tuple[float, float, float] = (0.0, 0.0, 0.0),
        limits: ControlLimits | None = None,
    ) -> None:
        self.prefix, self.base = prefix, base
        self.limits = limits or self.default_limits

    @abstractmethod
    def add_to(self, spec: mujoco.MjSpec) -> None:
        """Adds bodies, joints, actuators and sites to a `mujoco.MjSpec`."""

    def name(self, part: str) -> str:
        """Name of one of its parts in a model."""
        return self.prefix + part

    @property
    def fingers(self) -> tuple[str, str]:
        """Slide joints of the fingers, without prefix."""
        return "finger_left", "finger_right"

    @property
    def spec(self) -> ArmSpec:
        """Properties of this arm that an action space needs."""
        return ArmSpec(self.prefix, len(self.joint_names), self.limits, self.joint_low, self.joint_high)

    @property
    def state_names(self) -> list[str]:
        """Names of the proprioceptive state: joint angles [rad], gripper position [m, world], 6-D rotation of
        the gripper (see rotations.py), distance between the finger pads [m]."""
        names = [f"joint_{i}" for i in range(1, len(self.joint_names) + 1)]
        names += ["ee_x", "ee_y", "ee_z", *(f"ee_rot6d_{i}" for i in range(6)), "gripper_opening"]
        return [self.prefix + name for name in names]

    def mount(self, spec: mujoco.MjSpec) -> mujoco.MjsBody:
        """Adds a body named "base" at the robot's base, to build the arm on."""
        x, y, yaw = self.base
        return spec.worldbody.add_body(
            name=self.name("base"), pos=[x, y, 0], quat=[math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]
        )


@dataclass(frozen=True)
class RobotIndex:
    """Addresses of one arm's data in one compiled model."""

    arm: Int[np.ndarray, " j"]
    """Addresses of the arm joints in qpos."""
    fingers: Int[np.ndarray, " 2"]
    """Addresses of the fingers in qpos."""
    finger_dofs: Int[np.ndarray, " 2"]
    """Addresses of the fingers in qvel."""
    ctrl: Int[np.ndarray, " u"]
    """Addresses in `data.ctrl`: arm joints, then fingers."""
    pads: tuple[int, int]
    """Geom ids of the two pads."""
    site: int
    """Site id of the gripper."""
    lag: Float[np.ndarray, " j"]
    """Ratio of damping to stiffness of each arm servo, by which it trails a moving setpoint [s]."""

    @classmethod
    def of(cls, robot: Robot, model: mujoco.MjModel) -> "RobotIndex":
        """Looks up the names of `robot` in `model`."""

        def ids(kind: mujoco.mjtObj, names: Sequence[str]) -> np.ndarray:
            found = [mujoco.mj_name2id(model, kind, robot.name(name)) for name in names]
            assert min(found) >= 0, f"model lacks some of {names}"
            return np.array(found)

        joints = ids(mujoco.mjtObj.mjOBJ_JOINT, robot.joint_names)
        fingers = ids(mujoco.mjtObj.mjOBJ_JOINT, robot.fingers)
        ctrl = ids(mujoco.mjtObj.mjOBJ_ACTUATOR, [*robot.joint_names, *robot.fingers])
        arm_ctrl = ctrl[: len(joints)]
        return cls(
            arm=model.jnt_qposadr[joints],
            fingers=model.jnt_qposadr[fingers],
            finger_dofs=model.jnt_dofadr[fingers],
            ctrl=ctrl,
            pads=tuple(ids(mujoco.mjtObj.mjOBJ_GEOM, ["pad_left", "pad_right"]).tolist()),
            site=int(ids(mujoco.mjtObj.mjOBJ_SITE, ["ee"])[0]),
            lag=-model.actuator_biasprm[arm_ctrl, 2] / model.actuator_gainprm[arm_ctrl, 0],
        )

    def opening(self, data: mujoco.MjData) -> float:
        """Distance between the finger pads [m]."""
        left, right = data.qpos.take(self.fingers).tolist()
        return left + right

    def fingers_speed(self, data: mujoco.MjData) -> float:
        """Speed of the faster finger [m/s]."""
        return float(np.abs(data.qvel[self.finger_dofs]).max())

    def lowest(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Height of the lowest point of the pads, which are boxes [m]."""
        heights = []
        for pad in self.pads:
            (*_, a, b, c), (x, y, z) = data.geom_xmat[pad].tolist(), model.geom_size[pad].tolist()
            heights.append(data.geom_xpos[pad].item(2) - (abs(a) * x + abs(b) * y + abs(c) * z))
        return min(heights)

    def held(self, model: mujoco.MjModel, data: mujoco.MjData) -> set[int]:
        """Ids of the bodies that both pads touch."""
        first, second = self.pads
        touched: dict[int, set[int]] = {first: set(), second: set()}
        for a, b in data.contact.geom.tolist():
            if a in touched:
                touched[a].add(int(model.geom_bodyid[b]))
            elif b in touched:
                touched[b].add(int(model.geom_bodyid[a]))
        return touched[first] & touched[second]

    def state(self, data: mujoco.MjData) -> Float32[np.ndarray, " s"]:
        """Proprioception in the order of `Robot.state_names`."""
        joints, position = data.qpos.take(self.arm).tolist(), data.site_xpos[self.site].tolist()
        rotation = data.site_xmat[self.site].tolist()
        numbers = [*joints, *position, *rotation[0::3], *rotation[1::3], self.opening(data)]
        return np.array(numbers, dtype=np.float32)
