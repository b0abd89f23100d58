"""Messages between a session and its simulation process."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32

from ...common.errors import VlaError
from ..rollout.lane_observation import LaneObservation

Who = Literal["action", "expert", "person", "hold"]
Ended = Literal["", "success", "failure", "timeout"]


@dataclass(frozen=True)
class Drive:
    """One control step: who moves the arms, and how long it may take."""

    who: Who
    action: Float32[np.ndarray, " a"] | None = None
    """Action of a policy; None if somebody else moves."""
    continues: bool = False
    """Whether the action belongs to the same chunk as the one before (see `ManipulationEnv.step_block`)."""
    seconds: float = 0.0
    """Wall time of the step [s]; 0 is as fast as possible."""
    source: str = ""
    """Name of who moves, for the record."""


@dataclass(frozen=True)
class View:
    """The scene after a command."""

    observation: LaneObservation
    """Observation of a policy."""
    ended: Ended
    is_success: bool
    is_scored: bool
    """Whether the instruction asks for something in the scene."""
    stage: str
    progress: float
    """Progress in [0, 1]."""
    seconds: float
    """Simulated time since the reset [s]."""
    grippers: Float[np.ndarray, "n 3"]
    """Positions of the grippers [m, world]."""


@dataclass(frozen=True)
class Opened:
    """A scene that was just built or reset."""

    view: View
    spec: dict[str, Any]
    """`ManipulationEnv.spec_dict`."""
    stages: tuple[str, ...]
    here: list[str]
    """One plain sentence for everything that this scene can be asked."""
    bodies: list[str]
    """Names of what can be kicked."""


@dataclass(frozen=True)
class Frame:
    """One picture for people, encoded as JPEG."""

    jpeg: bytes
    step: int
    seconds: float
    """Simulated time [s]."""
    spring: tuple[tuple[float, float], tuple[float, float]] | None = None
    """Ends of a spring that pulls, from and to, in [0, 1] of the picture, (0, 0) top left."""


@dataclass(frozen=True)
class Paths:
    """Predicted chunks in the picture: for each the gripper's way, in [0, 1], (0, 0) top left."""

    lines: list[list[tuple[float, float]]]


class SceneError(VlaError, ValueError):
    """A command that the scene refused; the scene goes on."""
