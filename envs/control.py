"""Action spaces: what the numbers of an action mean, and exact conversion between them. numpy only.

Every space describes the same thing, the next *commanded target* of the gripper:
`target = [x, y, z (m, robot base frame), yaw (rad), gripper (+1 open, -1 closed)]`, fingers pointing down.
`ee_delta` gives its change from the target commanded before (not from the measured pose), `ee_absolute`
the target itself. With the target before in hand (the *reference*), either can be turned into the other.

Example: reference [0.50, 0.00, 0.20, 0.0, 1] and ee_delta [0.01, 0, -0.05, 0.1, -1] mean the same target as
ee_absolute [0.51, 0.00, 0.15, 0.1, -1].
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from .names import check_name

TARGET_NAMES = ("x", "y", "z", "yaw", "gripper")
POSE_DIMS = 4
"""The first four numbers of a target are a pose, the last is the gripper."""


@dataclass(frozen=True)
class ControlLimits:
    """Bounds that hold in every action space alike, so that replay in another space commands the same."""

    low: tuple[float, ...] = (0.34, -0.24, 0.012, -1.35)
    """Lowest commanded x, y, z [m] and yaw [rad]."""
    high: tuple[float, ...] = (0.68, 0.24, 0.32, 1.35)
    """Highest commanded x, y, z [m] and yaw [rad]."""
    speed: float = 0.5
    """Fastest commanded motion [m/s]."""
    yaw_rate: float = 3.0
    """Fastest commanded turn [rad/s]."""

    def next_target(
        self, reference: Float[np.ndarray, " 5"], wanted: Float[np.ndarray, " 5"], control_hz: float
    ) -> Float[np.ndarray, " 5"]:
        """What is commanded when `wanted` is asked for: within a step's reach, inside the workspace."""
        step = wanted[:POSE_DIMS] - reference[:POSE_DIMS]
        length = float(np.sqrt(step[:3] @ step[:3]))
        reach = self.speed / control_hz
        if length > reach:
            step[:3] *= reach / length
        turn = self.yaw_rate / control_hz
        step[3] = min(max(step[3], -turn), turn)
        target = np.empty(POSE_DIMS + 1)
        target[:POSE_DIMS] = np.clip(reference[:POSE_DIMS] + step, self.low, self.high)
        target[POSE_DIMS] = 1.0 if wanted[POSE_DIMS] > 0 else -1.0
        return target


@dataclass(frozen=True)
class ActionSpace:
    """The meaning of an action vector, in a form that is stored with every dataset and checkpoint."""

    name: str
    dims: tuple[str, ...]
    units: tuple[str, ...]
    relative_to: str
    """"last_commanded_target" or "none"."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Useful range; values outside are clipped by the controller."""
    control_hz: float
    """Rate of the actions [Hz]."""
    frame: str = "robot_base"
    rotation: str = "yaw about the base z axis, fingers pointing down"
    gripper: str = "+1 open, -1 closed, threshold 0"

    def to_target(
        self, actions: Float[np.ndarray, "*t a"], reference: Float[np.ndarray, "*t 5"]
    ) -> Float[np.ndarray, "*t 5"]:
        """The targets that `actions` ask for, given the targets commanded before each of them."""
        if self.relative_to == "none":
            return np.array(actions, dtype=np.float64)
        target = np.array(actions, dtype=np.float64)
        target[..., :POSE_DIMS] += reference[..., :POSE_DIMS]
        return target

    def from_target(
        self, targets: Float[np.ndarray, "*t 5"], reference: Float[np.ndarray, "*t 5"]
    ) -> Float[np.ndarray, "*t a"]:
        """The actions that ask for `targets`, given the targets commanded before each of them."""
        actions = np.array(targets, dtype=np.float64)
        if self.relative_to != "none":
            actions[..., :POSE_DIMS] -= reference[..., :POSE_DIMS]
        return actions

    def to_dict(self) -> dict[str, Any]:
        """JSON-able description."""
        return asdict(self)


ACTION_SPACES = ("ee_delta", "ee_absolute")


def action_space(name: str, control_hz: float = 10.0, limits: ControlLimits | None = None) -> ActionSpace:
    """The action space called `name` at `control_hz` [Hz].

    Raises:
        ValueError: no such action space.
    """
    check_name("action space", name, ACTION_SPACES)
    limits = limits or ControlLimits()
    units = ("m", "m", "m", "rad", "1")
    if name == "ee_absolute":
        return ActionSpace(
            name, TARGET_NAMES, units, "none", (*limits.low, -1.0), (*limits.high, 1.0), control_hz
        )
    reach, turn = limits.speed / control_hz, limits.yaw_rate / control_hz
    high = (reach, reach, reach, turn, 1.0)
    low = tuple(-x for x in high)
    dims = ("dx", "dy", "dz", "dyaw", "gripper")
    return ActionSpace(name, dims, units, "last_commanded_target", low, high, control_hz)


def convert(
    actions: Shaped[np.ndarray, "t a"], reference: Shaped[np.ndarray, "r 5"], source: str, to: str
) -> Float[np.ndarray, "t a"]:
    """`actions` of the space `source` as actions of the space `to`, both relative to the rows of `reference`.

    Raises:
        ValueError: an unknown action space, or rows that do not pair up.
    """
    if len(actions) != len(reference):
        raise ValueError(f"{len(actions)} actions cannot be paired with {len(reference)} references")
    reference = reference.astype(np.float64)
    targets = action_space(source).to_target(actions.astype(np.float64), reference)
    return action_space(to).from_target(targets, reference)
