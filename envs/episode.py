"""Episode: one demonstration or rollout in memory. numpy only; train/data handles the format on disk."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

SOURCES = ("expert", "policy", "person")
"""Possible drivers of a step; a stored source is an index into this."""


@dataclass
class RolloutRows:
    """Columns of an episode in which a policy took part, in addition to those of a demonstration."""

    source: Int64[np.ndarray, " t"]
    """Driver at each step, an index into `SOURCES`."""
    progress: Float32[np.ndarray, " t"]
    """The task's progress before the action, in [0, 1]."""
    reward: Float32[np.ndarray, " t"]
    """Increase of progress with the action."""
    stage: Int64[np.ndarray, " t"]
    """Index into the task's `stages`, before the action."""
    chunk: Float32[np.ndarray, "t k r"] | None = None
    """Commands of the chunk with which the expert would go on from here, see `expert_chunk`."""
    chunk_steps: Int64[np.ndarray, " t"] | None = None
    """Number of valid commands in each chunk; 0 where the expert was not asked."""


@dataclass
class Episode:
    """Observations and commands of t control steps. Row i holds the observation before action i."""

    images: dict[str, UInt8[np.ndarray, "t h w 3"]]
    """Upright RGB images per camera."""
    state: Float32[np.ndarray, "t s"]
    """Proprioception (names: `state_names` of the environment)."""
    action: Float32[np.ndarray, "t a"]
    """The expert's action for row i's state, in the environment's action space; of a rollout that nobody
    labels, the executed one."""
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
    rollout: RolloutRows | None = None
    """Columns of an episode in which a policy took part; None for a demonstration."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Settings to record: expert noise, package versions, quality. "about" is what else there is to say of
    this episode (JSON values), which a dataset lists."""

    def __len__(self) -> int:
        return len(self.action)

    def to_message(self) -> dict[str, Any]:
        """JSON values and arrays, for `simulation.protocol`."""
        return vars(self) | {"rollout": self.rollout and vars(self.rollout)}

    @classmethod
    def of_message(cls, message: dict[str, Any]) -> "Episode":
        """The episode that `to_message` describes."""
        rows = message["rollout"]
        return cls(**{**message, "rollout": rows and RolloutRows(**rows)})
