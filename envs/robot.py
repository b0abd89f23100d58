"""Robot: what a task and the controller need to know of an arm, and where its numbers sit in a model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from .gl import mujoco

STATE_NAMES = (
    *(f"joint_{i}" for i in range(1, 8)),
    "ee_x", "ee_y", "ee_z",
    *(f"ee_rot6d_{i}" for i in range(6)),
    "gripper_opening",
)  # fmt: skip
"""Proprioception: joint angles [rad], gripper position [m, base frame], the first two columns of its rotation
matrix (the continuous 6-D representation of Zhou et al. 2019), distance between the finger pads [m]."""


class Robot(ABC):
    """An arm with a parallel gripper, standing at the origin of the world. Names are unique in the model."""

    name: str
    joints: tuple[str, ...]
    """Arm joints, base to tip."""
    fingers: tuple[str, str]
    """Slide joints of the two fingers; 0 is closed."""
    actuators: tuple[str, ...]
    """Position servos: one for each arm joint, then one for each finger."""
    pads: tuple[str, str]
    """Geoms that touch what is grasped, one on each finger."""
    ee_site: str
    """Site between the finger pads: z points out of the gripper, the fingers close along y."""
    hand: str
    """Body that carries the gripper."""
    home: tuple[float, ...]
    """Arm joint angles [rad] that keep the elbow in a sensible place; IK is drawn towards them."""
    finger_travel: float
    """Farthest position of one finger from the closed one [m]."""
    gripper_down: Float[np.ndarray, "3 3"]
    """Rotation of `ee_site` in the base frame that counts as yaw 0, fingers pointing down."""

    @abstractmethod
    def add_to(self, spec: Any) -> None:
        """Adds bodies, joints, actuators and sites to a `mujoco.MjSpec`."""


@dataclass(frozen=True)
class RobotIndex:
    """Addresses of one robot's numbers in one compiled model."""

    arm: Int[np.ndarray, " j"]
    """qpos addresses of the arm joints."""
    arm_dofs: Int[np.ndarray, " j"]
    """Their columns in Jacobians."""
    fingers: Int[np.ndarray, " 2"]
    """qpos addresses of the fingers."""
    finger_dofs: Int[np.ndarray, " 2"]
    """qvel addresses of the fingers."""
    ctrl: Int[np.ndarray, " u"]
    """Addresses in `data.ctrl`: arm joints, then fingers."""
    pads: tuple[int, int]
    """Geoms of the two pads."""
    site: int
    lag: Float[np.ndarray, " j"]
    """Damping over stiffness of each arm servo [s]: by how much it trails a moving setpoint."""

    @classmethod
    def of(cls, robot: Robot, model: Any) -> "RobotIndex":
        """Looks the names of `robot` up in `model`."""

        def ids(kind: Any, names: Sequence[str]) -> np.ndarray:
            found = [mujoco.mj_name2id(model, kind, name) for name in names]
            assert min(found) >= 0, f"model lacks some of {names}"
            return np.array(found)

        joints = ids(mujoco.mjtObj.mjOBJ_JOINT, robot.joints)
        fingers = ids(mujoco.mjtObj.mjOBJ_JOINT, robot.fingers)
        ctrl = ids(mujoco.mjtObj.mjOBJ_ACTUATOR, robot.actuators)
        arm_ctrl = ctrl[: len(joints)]
        return cls(
            arm=model.jnt_qposadr[joints],
            arm_dofs=model.jnt_dofadr[joints],
            fingers=model.jnt_qposadr[fingers],
            finger_dofs=model.jnt_dofadr[fingers],
            ctrl=ctrl,
            pads=tuple(ids(mujoco.mjtObj.mjOBJ_GEOM, robot.pads).tolist()),
            site=int(ids(mujoco.mjtObj.mjOBJ_SITE, [robot.ee_site])[0]),
            lag=-model.actuator_biasprm[arm_ctrl, 2] / model.actuator_gainprm[arm_ctrl, 0],
        )

    def opening(self, data: Any) -> float:
        """Distance between the finger pads [m]."""
        return float(data.qpos[self.fingers].sum())

    def held(self, model: Any, data: Any) -> set[int]:
        """Bodies that both pads touch."""
        first, second = self.pads
        touched: dict[int, set[int]] = {first: set(), second: set()}
        for a, b in data.contact.geom.tolist():
            if a in touched:
                touched[a].add(int(model.geom_bodyid[b]))
            elif b in touched:
                touched[b].add(int(model.geom_bodyid[a]))
        return touched[first] & touched[second]

    def state(self, data: Any) -> Float32[np.ndarray, " 17"]:
        """Proprioception in the order of STATE_NAMES."""
        state = np.empty(len(STATE_NAMES), dtype=np.float32)
        state[:7] = data.qpos[self.arm]
        state[7:10] = data.site_xpos[self.site]
        rotation = data.site_xmat[self.site]
        state[10:13] = rotation[0::3]
        state[13:16] = rotation[1::3]
        state[16] = self.opening(data)
        return state
