"""Action spaces: what the numbers of an action mean, and exact conversion between them. numpy only.

The controller keeps one *command* for each arm, which says where it has been told to be:
`[x, y, z (m, world), 6-D rotation of the gripper, gripper (+1 open, -1 closed), joint targets (rad)]`.
An action asks for the next command. Its space is named `<kind>_<mode>`:

    kind   ee     x, y, z, yaw, gripper; fingers pointing straight down
           ee6d   x, y, z, 6-D rotation, gripper
           joint  joint targets, gripper
    mode   absolute   the next command itself
           delta      its change from the command before (not from what is measured)
           relative   its change from the command when the chunk of actions began

The gripper is absolute in all of them. With the commands before (the *reference*) and after an action in
hand, which every demonstration stores, the action in any space is exact arithmetic (`ActionSpace.encode`).

Example: reference [0.50, 0.00, 0.20] at yaw 0, open, and the ee_delta action [0.01, 0, -0.05, 0.1, -1] ask
for the same command as the ee_absolute action [0.51, 0.00, 0.15, 0.1, -1].
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..common.errors import InputError
from ..common.registry import check_name
from . import rotations

KINDS = ("ee", "ee6d", "joint")
MODES = ("delta", "absolute", "relative")
ACTION_SPACES = tuple(f"{kind}_{mode}" for kind in KINDS for mode in MODES)
ROTATION, GRIPPER, JOINTS = slice(3, 9), 9, 10
"""Places of the parts of one arm's command; the position comes first, and joint targets fill the rest."""
RELATIVE_TO = {"absolute": "none", "delta": "last_commanded", "relative": "commanded_at_chunk_start"}
ROTATIONS = {
    "ee": "yaw about the world's z axis, fingers pointing down",
    "ee6d": "first two columns of the rotation matrix; delta and relative: of R_target R_reference^T",
    "joint": "none",
}


@dataclass(frozen=True)
class ControlLimits:
    """Bounds on an arm's command, the same in every action space."""

    low: tuple[float, float, float] = (0.34, -0.24, 0.012)
    """Lowest commanded x, y, z [m]."""
    high: tuple[float, float, float] = (0.68, 0.24, 0.32)
    """Highest commanded x, y, z [m]."""
    yaw: tuple[float, float] = (-1.35, 1.35)
    """Range of the commanded yaw [rad]."""
    max_tilt: float = 0.6
    """Largest commanded angle between the gripper and straight down [rad]."""
    speed: float = 0.5
    """Maximum commanded speed [m/s]."""
    turn_rate: float = 3.0
    """Maximum commanded rate of rotation, in yaw and in tilt [rad/s]."""
    joint_rate: float = 6.0
    """Maximum commanded joint speed [rad/s]."""

    def next_pose(
        self, reference: Float[np.ndarray, " 9"], wanted: Float[np.ndarray, " 9"], control_hz: float
    ) -> Float[np.ndarray, " 9"]:
        """Next commanded pose when `wanted` is asked for: within one step's reach and inside the
        workspace."""
        start = reference[:3].tolist()
        x, y, z = way = (wanted[:3] - reference[:3]).tolist()
        share = min(1.0, self.speed / control_hz / max(math.sqrt(x * x + y * y + z * z), 1e-12))
        pose = np.empty(9)
        pose[:3] = [
            min(max(at + share * step, low), high)
            for at, step, low, high in zip(start, way, self.low, self.high, strict=True)
        ]
        pose[ROTATION] = rotations.towards(
            reference[ROTATION], wanted[ROTATION], self.turn_rate / control_hz, self.yaw, self.max_tilt
        )
        return pose


@dataclass(frozen=True)
class ArmSpec:
    """Properties of one arm that an action space needs."""

    prefix: str
    """Prefix of the names of its dimensions, e.g. "left_"."""
    joints: int
    limits: ControlLimits
    joint_low: tuple[float, ...]
    """Lower joint limits [rad]."""
    joint_high: tuple[float, ...]
    """Upper joint limits [rad]."""

    @property
    def command_names(self) -> list[str]:
        """Names of its command's dimensions."""
        names = ["x", "y", "z", *(f"rot6d_{i}" for i in range(6)), "gripper"]
        names += [f"joint_{i}" for i in range(1, self.joints + 1)]
        return [self.prefix + name for name in names]


@dataclass(frozen=True)
class ActionSpace:
    """Meaning of an action vector for one robot, stored with every dataset and checkpoint."""

    name: str
    arms: tuple[ArmSpec, ...]
    control_hz: float
    """Rate of the actions [Hz]."""

    def __post_init__(self) -> None:
        check_name("action space", self.name, ACTION_SPACES)

    @property
    def kind(self) -> str:
        """Commanded quantity: one of KINDS."""
        return self.name.partition("_")[0]

    @property
    def mode(self) -> str:
        """Reference that actions count from: one of MODES."""
        return self.name.partition("_")[2]

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of an action's dimensions."""
        mark = "" if self.mode == "absolute" else "d"
        names = []
        for arm in self.arms:
            part = {
                "ee": ["x", "y", "z", "yaw"],
                "ee6d": ["x", "y", "z", *(f"rot6d_{i}" for i in range(6))],
                "joint": [f"joint_{i}" for i in range(1, arm.joints + 1)],
            }[self.kind]
            names += [arm.prefix + mark + name for name in part] + [arm.prefix + "gripper"]
        return tuple(names)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of an action's dimensions."""
        units = []
        for arm in self.arms:
            part = {"ee": ["m"] * 3 + ["rad"], "ee6d": ["m"] * 3 + ["1"] * 6, "joint": ["rad"] * arm.joints}
            units += [*part[self.kind], "1"]
        return tuple(units)

    def encode(
        self, command: Float[np.ndarray, "*t r"], reference: Float[np.ndarray, "*#t r"]
    ) -> Float[np.ndarray, "*t a"]:
        """Actions that ask for `command`, relative to `reference`."""
        parts = []
        for _, slot in self._slots():
            after, before = command[..., slot], reference[..., slot]
            parts += [self._encode(after, before), after[..., GRIPPER, None]]
        return np.concatenate(parts, axis=-1)

    def decode(
        self, action: Float[np.ndarray, " a"], reference: Float[np.ndarray, " r"]
    ) -> Float[np.ndarray, " r"]:
        """Command that `action` asks for. What this kind of action does not specify stays as in the
        reference: joint targets for "ee" and "ee6d", poses for "joint".

        Raises:
            ValueError: the rotation of an "ee6d" action is degenerate.
        """
        command = reference.astype(np.float64)
        start = 0
        for arm, slot in self._slots():
            width = {"ee": 4, "ee6d": 9, "joint": arm.joints}[self.kind]
            self._decode(action[start : start + width], command[slot])
            command[slot.start + GRIPPER] = 1.0 if action[start + width] > 0 else -1.0
            start += width + 1
        return command

    def _slots(self) -> Iterator[tuple[ArmSpec, slice]]:
        start = 0
        for arm in self.arms:
            yield arm, slice(start, start := start + JOINTS + arm.joints)

    def _encode(self, after: np.ndarray, before: np.ndarray) -> np.ndarray:
        absolute = self.mode == "absolute"
        if self.kind == "joint":
            return after[..., JOINTS:] - (0.0 if absolute else before[..., JOINTS:])
        position = after[..., :3] - (0.0 if absolute else before[..., :3])
        if self.kind == "ee":
            yaw = rotations.to_yaw(after[..., ROTATION])
            if not absolute:
                turn = yaw - rotations.to_yaw(before[..., ROTATION])
                yaw = np.arctan2(np.sin(turn), np.cos(turn))
            return np.concatenate([position, yaw[..., None]], axis=-1)
        rotation = after[..., ROTATION]
        if not absolute:
            matrices = rotations.to_matrix(rotation), rotations.to_matrix(before[..., ROTATION])
            rotation = rotations.from_matrix(matrices[0] @ matrices[1].swapaxes(-1, -2))
        return np.concatenate([position, rotation], axis=-1)

    def _decode(self, part: np.ndarray, command: np.ndarray) -> None:
        """Writes what `part` asks for into `command`, which holds the reference."""
        absolute = self.mode == "absolute"
        if self.kind == "joint":
            command[JOINTS:] = part + (0.0 if absolute else command[JOINTS:])
            return
        command[:3] = part[:3] + (0.0 if absolute else command[:3])
        if self.kind == "ee":
            yaw = part[3] + (0.0 if absolute else rotations.to_yaw(command[ROTATION]))
            command[ROTATION] = rotations.from_yaw(yaw)
        else:
            with np.errstate(invalid="ignore"):
                matrix = rotations.to_matrix(part[3:])
            if not np.isfinite(matrix).all():
                raise InputError(f"invalid rotation columns {part[3:]}; valid: neither 0 nor parallel")
            if not absolute:
                matrix = matrix @ rotations.to_matrix(command[ROTATION])
            command[ROTATION] = rotations.from_matrix(matrix)

    def bounds(self) -> tuple[Float[np.ndarray, " a"], Float[np.ndarray, " a"]]:
        """Useful range of an action's dimensions, low and high; the controller clips values outside."""
        low, high = [], []
        for arm in self.arms:
            limits = arm.limits
            if self.kind == "joint":
                bottom, top = np.array(arm.joint_low), np.array(arm.joint_high)
                reach = np.full(arm.joints, limits.joint_rate / self.control_hz)
            else:
                bottom = np.array([*limits.low, limits.yaw[0]])
                top = np.array([*limits.high, limits.yaw[1]])
                reach = np.array([limits.speed] * 3 + [limits.turn_rate]) / self.control_hz
            if self.mode == "delta":
                bottom, top = -reach, reach
            elif self.mode == "relative":
                bottom, top = bottom - top, top - bottom
            if self.kind == "ee6d":
                bottom, top = np.append(bottom[:3], [-1.0] * 6), np.append(top[:3], [1.0] * 6)
            low += [*bottom, -1.0]
            high += [*top, 1.0]
        return np.array(low), np.array(high)

    def to_dict(self) -> dict[str, Any]:
        """JSON-serializable description, complete enough for a program without vlasandbox."""
        low, high = self.bounds()
        return {
            "name": self.name,
            "dims": list(self.dims),
            "units": list(self.units),
            "low": low.tolist(),
            "high": high.tolist(),
            "control_hz": self.control_hz,
            "frame": "world: x forward, y left, z up from the table top",
            "relative_to": RELATIVE_TO[self.mode],
            "rotation": ROTATIONS[self.kind],
            "gripper": "+1 open, -1 closed, threshold 0",
        }


def command_names(arms: tuple[ArmSpec, ...]) -> list[str]:
    """Names of the dimensions of a command, for all arms."""
    return [name for arm in arms for name in arm.command_names]


def layout(names: list[str]) -> tuple[ArmSpec, ...]:
    """Arms behind `command_names`, as stored with a dataset: enough to encode and decode, not to clip.

    Raises:
        ValueError: these are not the names of commands.
    """
    arms: dict[str, int] = {}
    for name in names:
        prefix, marker, _ = name.partition("joint_")
        if name.endswith("rot6d_0"):
            arms[name.removesuffix("rot6d_0")] = 0
        elif marker and prefix in arms:
            arms[prefix] += 1
    specs = tuple(ArmSpec(prefix, joints, ControlLimits(), (), ()) for prefix, joints in arms.items())
    if not arms or command_names(specs) != list(names):
        raise InputError(f"not the names of an arm's commands: {', '.join(names)}")
    return specs


def stored_space(spec_dict: Mapping[str, Any], name: str | None = None) -> ActionSpace:
    """Action space of a dataset's or checkpoint's `spec_dict`, or another one for the same robot.

    Raises:
        ValueError: there is no such action space, or `spec_dict` is not one of vlasandbox's.
    """
    stored = spec_dict["action_space"]
    arms = layout(spec_dict["command_names"])
    return ActionSpace(name or stored["name"], arms, float(stored["control_hz"]))
