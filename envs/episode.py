"""Episode: one demonstration or rollout in memory. numpy only; the disk format is train/data's business."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8


@dataclass
class Episode:
    """What was seen and commanded at each of t control steps. Row i holds the observation before action i."""

    images: dict[str, UInt8[np.ndarray, "t h w 3"]]
    """Upright RGB per camera."""
    state: Float32[np.ndarray, "t s"]
    """Proprioception (names: `state_names` of the environment)."""
    action: Float32[np.ndarray, "t a"]
    """The expert's action for row i's state, in the environment's action space."""
    reference: Float32[np.ndarray, "t r"]
    """The command in force before the action, from which delta actions count (see control.py)."""
    command: Float32[np.ndarray, "t r"]
    """The command that `action` asks for; with `reference`, it gives the action in any other space."""
    perturbed: Bool[np.ndarray, " t"]
    """True where something else than `action` was executed (an injected disturbance)."""
    target_uv: Float32[np.ndarray, "t v 2"]
    """Privileged: image coordinates of the task's focus per camera, [0, 1] in view, (0, 0) top left."""
    target_xyz: Float32[np.ndarray, "t 3"]
    """Privileged: the task's focus, what to reach for next [m, world]."""
    initial_state: Float64[np.ndarray, " q"]
    """Settled MuJoCo state (`sensing.STATE_KIND`) from which the episode starts."""
    instruction: str
    task: str
    seed: int
    success: bool
    control_hz: float
    """[Hz]"""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Settings worth keeping: expert noise, package versions, quality."""

    def __len__(self) -> int:
        return len(self.action)
