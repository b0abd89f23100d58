"""RemotePlayer: a policy that another process, or another machine, serves (`vla serve`)."""

import time
from collections import deque
from typing import Any

import numpy as np
from jaxtyping import Float32

from ...common.errors import InputError
from ...policies.execution import Execution
from ...policies.policy_files import PolicyError
from ...policies.remote.client import RemotePolicy
from ...policies.types import PolicySpec
from ..rollout.lane_observation import LaneObservation
from .player import KEPT, Answer


class RemotePlayer:
    """A `Player` behind a socket: chunks alone, without further samples, heat maps or sampling settings."""

    parameters = None
    settings: list[str] = []  # noqa: RUF012  of the server
    command = None

    def __init__(self, address: str, token: str = "") -> None:
        """
        Args:
            address: e.g. "ws://127.0.0.1:8000".
            token: what the server asks for; empty: nothing.

        Raises:
            RemoteError: there is no such server, or it serves no policy of vlasandbox.
        """
        self._policy = RemotePolicy(address, token)
        self.name = f"{self._policy.name} at {address.partition('//')[2].rstrip('/')}"
        self.seconds: deque[float] = deque(maxlen=KEPT)

    @property
    def spec(self) -> PolicySpec:
        """Purpose of the policy."""
        return self._policy.spec

    def check_env(self, spec_dict: dict[str, Any]) -> None:
        """Refuses an environment that the policy was not made for.

        Raises:
            PolicyError: says what differs.
        """
        if wrong := self.spec.misfits(spec_dict):
            raise PolicyError(f"{self.name} does not fit this environment ({'; '.join(wrong)})")

    def resample(self, sampling: str) -> None:
        """Refuses: the server samples as it was told.

        Raises:
            ValueError: always, unless `sampling` is empty.
        """
        if sampling:
            raise InputError(f"{self.name} is sampled by its server, whose settings this page cannot change")

    def unknown_words(self, sentence: str) -> list[str]:
        """Returns no words: the server knows its vocabulary."""
        return []

    def begin(self, execution: Execution, task: str, sentence: str | None) -> "RemotePlayer":
        """Starts an episode.

        Raises:
            ValueError: the policy cannot be executed so.
        """
        execution.check(self.spec.chunk, self.spec.action_space)
        if execution.rtc:
            raise InputError(f"{self.name}: the protocol has no way to continue a chunk (real-time chunking)")
        return self

    def ask(self, seen: LaneObservation, left: Float32[np.ndarray, "k a"] | None) -> Answer:
        """A chunk; `seconds` are those until it was here.

        Raises:
            RemoteError: the server is gone, or refuses the observation.
        """
        start = time.perf_counter()
        chunk = self._policy.act(seen.images, seen.state, seen.instruction, seen.seed, seen.step)
        seconds = time.perf_counter() - start
        self.seconds.append(seconds)
        return Answer(chunk, np.empty((0, *chunk.shape), np.float32), seconds)

    def heat(self, seen: LaneObservation) -> list[Float32[np.ndarray, "y x"]]:
        """Returns no maps: the protocol has none."""
        return []
