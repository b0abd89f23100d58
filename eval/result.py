"""What an evaluation leaves behind: one row per episode, and everything needed to repeat it."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Outcome = Literal["success", "failure", "timeout", "error"]
"""`failure`: the episode ended by itself without success; `timeout`: its time ran out; `error`: code raised."""
Condition = Literal["test", "swapped_instruction", "blank_image"]


@dataclass
class EpisodeResult:
    """One closed-loop episode."""

    seed: int
    outcome: Outcome
    steps: int
    """Control steps executed."""
    progress: float
    """The task's own progress at the end, in [0, 1]."""
    stage: str
    """The furthest named stage that was reached: where a failure happened."""
    instruction: str
    """What the policy was told."""
    error: str | None = None
    """The exception's text, for outcome "error"."""
    actions: np.ndarray | None = None
    """Executed actions, float32 [t, a], from which `eval.video` replays the episode exactly."""
    chunks: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """(control step, predicted chunk float32 [k, a]) of every query of the policy."""


@dataclass
class EvalResult:
    """One policy under one condition on one range of seeds."""

    policy: str
    """Name shown to people, or "expert"."""
    checkpoint: str
    """Path of the policy folder; "" for the expert."""
    task: str
    condition: Condition
    seed_start: int
    episodes: list[EpisodeResult]
    execute: int
    """Executed actions per chunk."""
    lanes: int
    """Rows of the padded inference batch; an episode sits in lane seed % lanes."""
    threads: int
    """torch threads during inference."""
    evaluations: int
    """Forward passes of the head per chunk."""
    chunk_ms_p50: float
    """Latency of one chunk at batch 1 [ms], median; nan for the expert."""
    chunk_ms_p95: float
    wall_seconds: float
    env_steps: int
    spec: dict[str, Any]
    """Environment specification (`ManipulationEnv.spec_dict`)."""
    versions: dict[str, str]

    @property
    def successes(self) -> int:
        """Episodes with outcome "success"."""
        return sum(e.outcome == "success" for e in self.episodes)

    @property
    def errors(self) -> int:
        """Episodes that raised; they are neither success nor failure and are reported apart."""
        return sum(e.outcome == "error" for e in self.episodes)
