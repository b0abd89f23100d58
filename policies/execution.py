"""Execution of predicted chunks: which actions are executed, and when the policy is queried; numpy only.

Queried at control step t, the policy answers with actions for t, t+1, ..., t+k-1; it is queried again at
t + `execute`. Five things can happen in between:

- receding horizon: the first `execute` actions of the answer are executed;
- delay: the answer arrives `delay` steps late, and until then the previous answer's actions for these steps
  are executed (the robot waits for the first answer). For execute = 4, delay = 1, and answers a at 0 and b
  at 4: a0 a1 a2 a3 | a4 b1 b2 b3;
- wait: the robot stands still for those `delay` steps and then executes a whole answer to what it saw
  before: a0 a1 a2 a3 | . b0 b1 b2 b3;
- guided: the answer is sampled so that it continues the previous one (real-time chunking, arXiv 2506.07339):
  it is pulled fully toward what will be executed before it arrives, and less and less toward what follows;
- ensemble: the policy is queried at every step, and the average of all answers for that step is executed,
  with weights exp(-decay i), i = 0 for the oldest (ACT, arXiv 2304.13705).
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Execution:
    """Execution of predicted chunks."""

    execute: int = 4
    """Execution horizon: control steps between two queries of the policy."""
    delay: int = 0
    """Inference delay: control steps by which an answer is late."""
    wait: bool = False
    """Blocking execution: the robot stands still during the delay; otherwise it keeps moving."""
    guided: bool = False
    """Real-time chunking: each answer continues the previous one; needs a head that can, such as flow."""
    ensemble: float | None = None
    """Decay of the temporal ensemble's weights, 0.01 in ACT; None for no ensemble."""

    def __post_init__(self) -> None:
        if self.execute < 1:
            raise ValueError(f"execute must be at least 1, got {self.execute}")
        if self.delay < 0 or (self.delay > self.execute and not self.wait):
            raise ValueError(
                f"delay must be between 0 and execute = {self.execute} control steps, got {self.delay}; a "
                "robot that waits may wait longer"
            )
        if self.ensemble is not None and (self.execute, self.delay) != (1, 0):
            raise ValueError(
                "an ensemble asks the policy at every step: it needs execute 1 and delay 0, got "
                f"{self.execute} and {self.delay}"
            )
        if self.guided and self.wait:
            raise ValueError(
                "guided answers continue the previous one, which a waiting robot has left behind: choose one"
            )
        if self.guided and self.ensemble is not None:
            raise ValueError("an ensemble averages answers, guided ones continue each other: choose one")

    @property
    def mixes(self) -> bool:
        """True if actions of different answers follow each other without a new observation."""
        return (self.delay > 0 and not self.wait) or self.guided or self.ensemble is not None

    def check(self, chunk: int, action_space: str) -> None:
        """Checks that a policy can be executed this way.

        Raises:
            ValueError: its chunks are too short, or actions of different answers cannot be mixed.
        """
        if self.execute > chunk:
            raise ValueError(f"execute must be at most the policy's chunk length {chunk}, got {self.execute}")
        if self.execute + self.delay > chunk and not self.wait:
            raise ValueError(
                f"execute + delay must be at most the policy's chunk length {chunk}, got {self.execute} + "
                f"{self.delay}"
            )
        if action_space.endswith("_relative") and self.mixes:
            raise ValueError(
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
        """Actions to execute before the next query, m = `execute`, given the newest chunk.

        Raises:
            ValueError: the chunk is shorter than `execute`.
        """
        execute = self._config.execute
        delay = 0 if self._config.wait else self._config.delay
        if execute > len(chunk):
            raise ValueError(f"execute must be at most the chunk length {len(chunk)}, got {execute}")
        if self._config.ensemble is not None:
            return self._average(chunk, self._config.ensemble)[None]
        before = self._chunks[-1] if self._chunks else None
        self._chunks = deque([chunk], maxlen=1)
        if before is None:
            return chunk[:execute]
        return np.concatenate([before[execute : execute + delay], chunk[delay:execute]])

    def left(self) -> Float[np.ndarray, "k a"] | None:
        """Remainder of the last chunk from the next query on, padded with zeros; None before the first
        chunk."""
        if not self._chunks:
            return None
        chunk = self._chunks[-1]
        rest = chunk[self._config.execute :]
        return np.concatenate([rest, np.zeros_like(chunk[: self._config.execute])])

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
