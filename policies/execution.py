"""Execution of predicted chunks: which actions are executed, and when the policy is queried; numpy only.

Queried at control step t, the policy answers with actions for t, t+1, ..., t+k-1; it is queried again at
t + `execution_horizon`. Five things can happen in between:

- receding horizon: the first `execution_horizon` actions of the answer are executed;
- inference delay: the answer arrives `inference_delay` steps late, and until then the previous answer's
  actions for these steps are executed (the robot waits for the first answer). For a horizon of 4, a delay
  of 1, and answers a at 0 and b at 4: a0 a1 a2 a3 | a4 b1 b2 b3;
- blocking: the robot stands still for those `inference_delay` steps and then executes a whole answer to what
  it saw before: a0 a1 a2 a3 | . b0 b1 b2 b3;
- RTC: the answer is sampled so that it continues the previous one (real-time chunking, arXiv 2506.07339): it
  is pulled fully toward what will be executed before it arrives, and less and less toward what follows;
- ensemble: the policy is queried at every step, and the average of all answers for that step is executed,
  with weights exp(-decay i), i = 0 for the oldest (ACT, arXiv 2304.13705).
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..common.errors import InputError

FORMER = {"execute": "execution_horizon", "delay": "inference_delay", "wait": "blocking", "guided": "rtc"}
"""Former names of fields in stored evaluations and study files -> their present names."""


@dataclass(frozen=True)
class Execution:
    """Execution of predicted chunks."""

    execution_horizon: int = 4
    """Control steps between two queries of the policy."""
    inference_delay: int = 0
    """Control steps by which an answer is late."""
    blocking: bool = False
    """Whether the robot stands still during the delay; otherwise it keeps moving."""
    rtc: bool = False
    """Real-time chunking: each answer continues the previous one; needs a head that can, such as flow."""
    ensemble: float | None = None
    """Decay of the temporal ensemble's weights, 0.01 in ACT; None for no ensemble."""

    def __post_init__(self) -> None:
        horizon, delay = self.execution_horizon, self.inference_delay
        if horizon < 1:
            raise InputError(f"execution_horizon must be at least 1, got {horizon}")
        if delay < 0 or (delay > horizon and not self.blocking):
            raise InputError(
                f"inference_delay must be between 0 and execution_horizon = {horizon} control steps, "
                f"got {delay}; with blocking it may be longer"
            )
        if self.ensemble is not None and (horizon, delay) != (1, 0):
            raise InputError(
                "an ensemble queries the policy at every step: it needs execution_horizon 1 and "
                f"inference_delay 0, got {horizon} and {delay}"
            )
        if self.rtc and self.blocking:
            raise InputError(
                "rtc continues the previous answer, which a blocked robot has left behind: choose one"
            )
        if self.rtc and self.ensemble is not None:
            raise InputError("an ensemble averages answers, rtc continues them: choose one")

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Execution":
        """Builds the execution from stored fields, under their present or former names."""
        return cls(**{FORMER.get(name, name): value for name, value in values.items()})

    @property
    def mixes(self) -> bool:
        """True if actions of different answers follow each other without a new observation."""
        return (self.inference_delay > 0 and not self.blocking) or self.rtc or self.ensemble is not None

    def check(self, chunk: int, action_space: str) -> None:
        """Checks that a policy can be executed this way.

        Raises:
            ValueError: its chunks are too short, or actions of different answers cannot be mixed.
        """
        horizon, delay = self.execution_horizon, self.inference_delay
        if horizon > chunk:
            raise InputError(f"execution_horizon must be at most the chunk length {chunk}, got {horizon}")
        if horizon + delay > chunk and not self.blocking:
            raise InputError(
                "execution_horizon + inference_delay must be at most the chunk length "
                f"{chunk}, got {horizon} + {delay}"
            )
        if action_space.endswith("_relative") and self.mixes:
            raise InputError(
                f"{action_space} actions count from where their own chunk began: those of several chunks "
                "cannot be mixed by a delay, guidance or an ensemble"
            )

    def start(self) -> "Executor":
        """Starts the execution of one episode."""
        return Executor(self)


class Executor:
    """Turns the chunks of one episode into the actions to execute, query by query."""

    def __init__(self, config: Execution) -> None:
        self._config = config
        self._chunks: deque[np.ndarray] = deque()

    def block(self, chunk: Float[np.ndarray, "k a"]) -> Float[np.ndarray, "m a"]:
        """Actions to execute before the next query, m = `execution_horizon`, given the newest chunk.

        Raises:
            ValueError: the chunk is shorter than `execution_horizon`.
        """
        horizon = self._config.execution_horizon
        delay = 0 if self._config.blocking else self._config.inference_delay
        if horizon > len(chunk):
            raise InputError(
                f"execution_horizon must be at most the chunk length {len(chunk)}, got {horizon}"
            )
        if self._config.ensemble is not None:
            return self._average(chunk, self._config.ensemble)[None]
        before = self._chunks[-1] if self._chunks else None
        self._chunks = deque([chunk], maxlen=1)
        if before is None:
            return chunk[:horizon]
        return np.concatenate([before[horizon : horizon + delay], chunk[delay:horizon]])

    def left(self) -> Float[np.ndarray, "k a"] | None:
        """Remainder of the last chunk from the next query on, padded with zeros; None before the first
        chunk."""
        if not self._chunks:
            return None
        chunk = self._chunks[-1]
        rest = chunk[self._config.execution_horizon :]
        return np.concatenate([rest, np.zeros_like(chunk[: self._config.execution_horizon])])

    def _average(self, chunk: np.ndarray, decay: float) -> Float[np.ndarray, " a"]:
        self._chunks.append(chunk)
        while len(self._chunks) > len(chunk):
            self._chunks.popleft()
        answers = np.stack([past[age] for past, age in zip(self._chunks, self._ages(), strict=True)])
        weights = np.exp(-decay * np.arange(len(answers)))
        return (weights[:, None] * answers).sum(axis=0) / weights.sum()

    def _ages(self) -> list[int]:
        """Age of each kept chunk [control steps]; the oldest comes first."""
        return list(range(len(self._chunks) - 1, -1, -1))
