"""Episode: one demonstration or rollout in memory. numpy only; train/data handles the format on disk."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8


@dataclass
class Episode:
    """Observations and commands of t control steps. Row i holds the observation before action i."""

    images: dict[str, UInt8[np.ndarray, "t h w 3"]]
    """Upright RGB images per camera."""
    state: Float32[np.ndarray, "t s"]
    """Proprioception (names: `state_names` of the environment)."""
    action: Float32[np.ndarray, "t a"]
    """Expert's action for row i's state, in the environment's action space."""
    reference: Float32[np.ndarray, "t r"]
    """Command in force before the action, from which delta actions count (see control.py)."""
    command: Float32[np.ndarray, "t r"]
    """Command that `action` asks for; with `reference`, it gives the action in any other space."""
    perturbed: Bool[np.ndarray, " t"]
    """True where something other than `action` was executed (an injected disturbance)."""
    target_uv: Float32[np.ndarray, "t v 2"]
    """Privileged: image coordinates of the task's focus per camera, in [0, 1] if visible, (0, 0) top left."""
    target_xyz: Float32[np.ndarray, "t 3"]
    """Privileged: position of the task's focus, i.e. what to reach for next [m, world]."""
    initial_state: Float64[np.ndarray, " q"]
    """Settled MuJoCo state (`sensors.STATE_KIND`) from which the episode starts."""
    instruction: str
    task: str
    seed: int
    success: bool
    control_hz: float
    """Control rate [Hz]."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Settings to record: expert noise, package versions, quality."""

    def __len__(self) -> int:
        return len(self.action)
