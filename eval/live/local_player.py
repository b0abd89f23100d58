"""LocalPlayer: a policy in this process, which also shows what else it might have done and where it looks."""

import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from ...envs import tasks
from ...policies.execution import Execution
from ...policies.policy import Policy
from ...policies.types import PolicySpec
from ..rollout.inference import LANES, THREADS, BatchedPolicy, observation_of
from ..rollout.lane_observation import LaneObservation
from .player import KEPT, Answer

FAN = 5
"""Further samples of a chunk that are shown."""
FAN_SEED = 2**40
"""Seeds of the noise of those samples, away from all episodes'."""
HEAVY = 50_000_000
"""Parameters from which on a CPU answers one row at a time, without a fan."""


class LocalPlayer:
    """A policy with a name. Its answers are those of an evaluation, bit for bit, unless it is HEAVY.

    The episode's row of the batch is the same, and the others, which an evaluation fills with other episodes,
    hold the same observation with other noise: that is the fan, and it costs nothing.
    """

    def __init__(self, name: str, folder: Path, task: str) -> None:
        """
        Args:
            name: shown to people.
            folder: of the saved policy.
            task: that it is shown on first.
        """
        self.name, self.folder, self.task = name, folder, task
        self.sampling = ""
        self.policy = Policy.load(folder)
        self.seconds: deque[float] = deque(maxlen=KEPT)
        """Wall time of the last answers [s]."""

    def resample(self, sampling: str) -> None:
        """Samples with other settings, such as "steps=5" (see policies/sampling.py).

        Raises:
            ValueError: the head has no such setting.
        """
        self.policy = Policy.load(self.folder, sampling=sampling)
        self.sampling = sampling
        self.seconds.clear()

    @property
    def spec(self) -> PolicySpec:
        """Purpose of the policy."""
        return self.policy.spec

    @property
    def command(self) -> str:
        """Folder of the policy."""
        return str(self.folder)

    def check_env(self, spec_dict: dict[str, Any]) -> None:
        """Refuses an environment that the policy was not made for.

        Raises:
            PolicyError: says what differs.
        """
        self.policy.check_env(spec_dict)

    @property
    def settings(self) -> list[str]:
        """Names of what `resample` can set."""
        return list(self.policy.config.head.SAMPLING)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(x.numel() for x in self.policy.parameters())

    def unknown_words(self, sentence: str) -> list[str]:
        """Words of the sentence that were in no training sentence."""
        return list(dict.fromkeys(self.policy.trunk.language.unknown_words(sentence)))

    def begin(self, execution: Execution, task: str, sentence: str | None) -> "_Asking":
        """Starts an episode.

        Args:
            execution: how its chunks are executed.
            task: whose scene it is.
            sentence: what is asked; None for the episode's own instruction.

        Raises:
            ValueError: the policy cannot be executed so.
        """
        spec = self.policy.spec
        execution.check(spec.chunk, spec.action_space)
        if execution.rtc:
            self.policy.check_guided()
        sentences = tasks.load(task).instructions() if sentence is None else [sentence]
        return _Asking(self, execution, sentences)

    def heat(self, seen: LaneObservation) -> list[Float32[np.ndarray, "y x"]]:
        """Maps of where it looks for the named object, one for each camera, as shares that add up to 1; empty
        if it has none."""
        return [x.numpy() for x in self.policy.heat(observation_of(seen))]


class _Asking:
    """The questions of one episode to one policy."""

    def __init__(self, player: LocalPlayer, execution: Execution, sentences: list[str]) -> None:
        self._player = player
        # As an evaluation pads them: a row's arithmetic depends on it.
        longest = max(map(len, player.policy.trunk.language.tokenize(sentences)))
        self._batch = BatchedPolicy(player.policy, False, execution, longest)
        on_cpu = player.policy.device.type == "cpu"
        self._rows = 1 if on_cpu and player.parameters > HEAVY else LANES
        self._generator = torch.Generator(player.policy.device)
        self._seed: int | None = None

    def ask(self, seen: LaneObservation, left: Float32[np.ndarray, "k a"] | None) -> Answer:
        """A chunk.

        Args:
            seen: the observation.
            left: of the chunk before, for execution that goes on from it.
        """
        torch.set_num_threads(THREADS)  # each thread of a process has its own number
        start = time.perf_counter()
        chunks = self._one(seen) if self._rows == 1 else self._all(seen, left)
        seconds = time.perf_counter() - start
        self._player.seconds.append(seconds)
        return Answer(chunks[0], chunks[1:], seconds)

    def _one(self, seen: LaneObservation) -> Float32[np.ndarray, "1 k a"]:
        if self._seed != seen.seed or seen.step == 0:
            self._seed = seen.seed
            self._generator.manual_seed(seen.seed)
        return self._player.policy.act(observation_of(seen), [self._generator]).float().cpu().numpy()

    def _all(
        self, seen: LaneObservation, left: Float32[np.ndarray, "k a"] | None
    ) -> Float32[np.ndarray, "n k a"]:
        own = seen.seed % LANES
        rows = {row: seen if row == own else replace(seen, seed=FAN_SEED + row) for row in range(LANES)}
        kept = {} if left is None else dict.fromkeys(rows, left)
        answers = self._batch.chunks(rows, kept)
        others = [row for row in range(LANES) if row != own][:FAN]
        return np.stack([answers[row] for row in (own, *others)])
