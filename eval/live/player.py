"""Player: a policy with a name that is asked for chunks, in this process or behind a socket."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from ...policies.execution import Execution
from ...policies.types import PolicySpec
from ..rollout.lane_observation import LaneObservation

KEPT = 100
"""Answers over which the latency is measured."""


@dataclass(frozen=True)
class Answer:
    """Answer of a policy to one observation."""

    chunk: Float32[np.ndarray, "k a"]
    fan: Float32[np.ndarray, "n k a"]
    """Further samples for the same observation."""
    seconds: float
    """Wall time [s]."""


@runtime_checkable
class Asking(Protocol):
    """The questions of one episode to one policy."""

    def ask(self, seen: LaneObservation, left: Float32[np.ndarray, "k a"] | None) -> Answer:
        """A chunk.

        Args:
            seen: the observation.
            left: of the chunk before, for execution that goes on from it.

        Raises:
            ValueError: the policy is out of reach.
        """
        ...


@runtime_checkable
class Player(Protocol):
    """Interface of a policy to a session."""

    name: str
    """Shown to people."""
    seconds: deque[float]
    """Wall time of the last KEPT answers [s]."""

    @property
    def spec(self) -> PolicySpec:
        """Purpose of the policy."""
        ...

    @property
    def parameters(self) -> int | None:
        """Number of weights; None if it is not known."""
        ...

    @property
    def settings(self) -> list[str]:
        """Names of what `resample` can set."""
        ...

    @property
    def command(self) -> str | None:
        """Name on the command line; None if `vla demo` cannot play it."""
        ...

    def check_env(self, spec_dict: dict[str, Any]) -> None:
        """Refuses an environment that the policy was not made for.

        Raises:
            ValueError: says what differs.
        """
        ...

    def resample(self, sampling: str) -> None:
        """Samples with other settings, such as "steps=5".

        Raises:
            ValueError: it has no such setting.
        """
        ...

    def unknown_words(self, sentence: str) -> list[str]:
        """Words of the sentence that were in no training sentence, as far as it says."""
        ...

    def begin(self, execution: Execution, task: str, sentence: str | None) -> Asking:
        """Starts an episode.

        Args:
            execution: how its chunks are executed.
            task: whose scene it is.
            sentence: what is asked; None for the episode's own instruction.

        Raises:
            ValueError: the policy cannot be executed so.
        """
        ...

    def heat(self, seen: LaneObservation) -> list[Float32[np.ndarray, "y x"]]:
        """Maps of where it looks for the named object, one for each camera, as shares that add up to 1; empty
        if it has none."""
        ...
