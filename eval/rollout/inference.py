"""Batched inference of a policy, always on the same number of rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float32

from ...envs.simulation.faults import describe, is_of_the_machine, traceback_of
from ...policies.execution import Execution
from ...policies.head import SamplingCounts
from ...policies.policy import Policy
from ...policies.realtime import overlap_weights
from ...policies.types import Observation
from .lane_observation import LaneObservation
from .lane_player import PolicyFailure

LANES = 16
"""Rows of every batch; the episode of seed s uses row s % LANES."""
THREADS = 1
"""Torch threads per inference on a CPU, on every machine. More gain little at these sizes and lose much on a
busy machine, since they wait for each other in a busy loop."""
BLANK = 128
"""Gray level of a blank image: the middle of the range, which an encoder receives as 0."""


class BatchedPolicy:
    """LANES rows of observations, each with a noise generator. Threads may share the policy, but not this
    object."""

    counts: SamplingCounts
    """Chunks sampled so far and what they cost, of all rows."""

    def __init__(
        self,
        policy: Policy,
        blank: bool,
        execution: Execution | None = None,
        instruction_tokens: int = 0,
    ) -> None:
        """
        Args:
            policy: policy that answers.
            blank: whether the policy sees uniform gray instead of the images.
            execution: how the chunks will be executed.
            instruction_tokens: length to pad instructions to, that of the longest one to come.
        """
        self.counts = SamplingCounts()
        self._instruction_tokens = instruction_tokens
        self._execution = execution or Execution()
        self._policy = policy
        self._blank = blank
        self._seeds: list[int | None] = [None] * LANES
        self._generators = [torch.Generator(policy.device).manual_seed(row) for row in range(LANES)]
        self._observation: Observation | None = None
        self._answers = 0
        """Chunks that the policy has given."""

    def chunks(
        self,
        observations: dict[int, LaneObservation],
        left: dict[int, Float32[np.ndarray, "k a"]] | None = None,
    ) -> dict[int, Float32[np.ndarray, "k a"]]:
        """Predicts a chunk for each lane in `observations`; other rows hold stale observations and are
        dropped.

        Args:
            left: unexecuted tail of each lane's previous chunk, for real-time chunking.
        """
        if self._observation is None:
            self._observation = observation_of(next(iter(observations.values())), LANES, self._blank)
        observation = self._observation
        for row, seen in observations.items():
            if not self._blank:
                observation.images[row] = torch.from_numpy(seen.images)
            observation.state[row] = torch.from_numpy(seen.state)
            observation.instruction[row] = seen.instruction
            if self._seeds[row] != seen.seed or seen.step == 0:  # or again, after its process died
                self._seeds[row] = seen.seed
                self._generators[row].manual_seed(seen.seed)
        held = self._held(left or {}) if self._execution.rtc else ()
        chunks = self._policy.act(
            observation,
            self._generators,
            *held,
            instruction_tokens=self._instruction_tokens,
            counts=self.counts,
        )
        chunks = chunks.float().cpu().numpy()
        return {row: chunks[row].copy() for row in observations}

    def answers(
        self,
        observations: dict[int, LaneObservation],
        left: dict[int, Float32[np.ndarray, "k a"]] | None = None,
    ) -> tuple[dict[int, Float32[np.ndarray, "k a"]], dict[int, PolicyFailure]]:
        """`chunks`; if the policy raises, each lane is asked alone, and those that it still raises for fail.

        Raises:
            Exception: the policy has answered nobody yet, or the machine is short of memory.
        """
        states = [generator.get_state() for generator in self._generators]
        try:
            found = self.chunks(observations, left)
        except Exception as error:
            if is_of_the_machine(error):
                raise
            alone = {}
            for row, seen in observations.items():
                alone[row] = self._alone(row, seen, states[row], left or {})
                states[row] = self._generators[row].get_state()
            for generator, state in zip(self._generators, states, strict=True):
                generator.set_state(state)
            if not self._answers and not any(isinstance(x, np.ndarray) for x in alone.values()):
                raise
            self._observation = None  # no row may go on to hold what the policy raises for
            found = {row: x for row, x in alone.items() if isinstance(x, np.ndarray)}
            self._answers += len(found)
            return found, {row: x for row, x in alone.items() if isinstance(x, PolicyFailure)}
        self._answers += len(found)
        return found, {}

    def _alone(
        self, row: int, seen: LaneObservation, state: torch.Tensor, left: dict[int, np.ndarray]
    ) -> Float32[np.ndarray, "k a"] | PolicyFailure:
        """The answer for one lane, whose observation is in all rows, with its noise generator in `state`."""
        self._observation = observation_of(seen, LANES, self._blank)
        self._generators[row].set_state(state)
        self._seeds[row] = seen.seed if seen.step else None  # at its first step it is seeded anew
        try:
            return self.chunks({row: seen}, {lane: x for lane, x in left.items() if lane == row})[row]
        except Exception as error:
            if is_of_the_machine(error):
                raise
            return PolicyFailure(describe(error), traceback_of(error))

    def _held(self, left: dict[int, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Previous chunk of each row and its weights, for real-time chunking."""
        spec, execution = self._policy.spec, self._execution
        previous, weights = torch.zeros(LANES, spec.chunk, spec.action_dim), torch.zeros(LANES, spec.chunk)
        for row, chunk in left.items():
            previous[row] = torch.from_numpy(chunk)
            weights[row] = overlap_weights(
                spec.chunk, execution.inference_delay, spec.chunk - execution.execution_horizon
            )
        return previous, weights


def observation_of(seen: LaneObservation, rows: int = 1, blank: bool = False) -> Observation:
    """Repeats the observation of a lane in `rows` rows."""
    images = torch.from_numpy(seen.images).expand(rows, *seen.images.shape).clone()
    state = torch.from_numpy(seen.state).expand(rows, *seen.state.shape).clone()
    return Observation(images.fill_(BLANK) if blank else images, state, [seen.instruction] * rows)


@contextmanager
def inference_mode(policy: Policy) -> Iterator[None]:
    """Context with the policy in evaluation mode and torch on THREADS threads; restores both."""
    training, threads = policy.training, torch.get_num_threads()
    if training:
        policy.eval()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        if training:
            policy.train()
        torch.set_num_threads(threads)
