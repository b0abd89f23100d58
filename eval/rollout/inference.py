"""BatchedPolicy: the policy's answers for some lanes, always computed on the same number of rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float32

from ...policies.execution import Execution
from ...policies.policy import Policy
from ...policies.realtime import overlap_weights
from ...policies.types import Observation
from .worker import LaneObservation

LANES = 16
"""Rows of every batch; the episode of seed s sits in row s % LANES."""
THREADS = 1
"""torch threads of one inference on a CPU, whatever the machine has. More of them gain little at these sizes,
and lose much on a machine that does anything else, since they wait for each other in a busy loop."""
BLANK = 128
"""Grey level of a blank image: the middle of the range, which an encoder gets as 0."""


class BatchedPolicy:
    """LANES rows of observations and a noise generator for each. Not shared by threads; the policy may be."""

    def __init__(self, policy: Policy, blank: bool, execution: Execution | None = None) -> None:
        """
        Args:
            blank: whether the policy sees uniform grey instead of the images.
            execution: how the chunks will be executed.
        """
        self._execution = execution or Execution()
        self._policy = policy
        self._blank = blank
        self._seeds: list[int | None] = [None] * LANES
        self._generators = [torch.Generator(policy.device).manual_seed(row) for row in range(LANES)]
        self._observation: Observation | None = None

    def chunks(
        self,
        observations: dict[int, LaneObservation],
        left: dict[int, Float32[np.ndarray, "k a"]] | None = None,
    ) -> dict[int, Float32[np.ndarray, "k a"]]:
        """A chunk for each lane in `observations`. Other rows hold something old; their answers are dropped.

        Args:
            left: what the last chunk has left, for lanes whose answer shall go on from it.
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
        held = self._held(left or {}) if self._execution.guided else ()
        chunks = self._policy.act(observation, self._generators, *held).float().cpu().numpy()
        return {row: chunks[row].copy() for row in observations}

    def _held(self, left: dict[int, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """What to go on from in each row, and how much it counts."""
        spec, execution = self._policy.spec, self._execution
        previous, weights = torch.zeros(LANES, spec.chunk, spec.action_dim), torch.zeros(LANES, spec.chunk)
        for row, chunk in left.items():
            previous[row] = torch.from_numpy(chunk)
            weights[row] = overlap_weights(spec.chunk, execution.delay, spec.chunk - execution.execute)
        return previous, weights


def observation_of(seen: LaneObservation, rows: int = 1, blank: bool = False) -> Observation:
    """What a lane sees, in each of `rows` rows."""
    images = torch.from_numpy(seen.images).expand(rows, *seen.images.shape).clone()
    state = torch.from_numpy(seen.state).expand(rows, *seen.state.shape).clone()
    return Observation(images.fill_(BLANK) if blank else images, state, [seen.instruction] * rows)


@contextmanager
def inference_mode(policy: Policy) -> Iterator[None]:
    """The policy in evaluation mode and torch on THREADS threads; both are as before afterwards."""
    training, threads = policy.training, torch.get_num_threads()
    policy.eval()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        policy.train(training)
        torch.set_num_threads(threads)
