"""How long a policy takes to answer: milliseconds per chunk at batch 1, as a robot would ask."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...policies.policy import Policy
from ...policies.types import Observation

WARMUP = 5
"""Answers that are not counted."""
REPEATS = 40
"""Answers that are."""


@dataclass(frozen=True)
class Latency:
    """Wall time per chunk."""

    p50: float
    """Median [ms]."""
    p95: float
    """[ms]"""


def measure(policy: Policy, observations: Sequence[Observation], n: int = REPEATS) -> Latency:
    """Times `n` chunks on `observations` of one row each, in turn, from pixels to actions on the CPU.

    Uses the policy's device, its training mode and torch's threads as they are.

    Raises:
        ValueError: there is no observation, or one with several rows.
    """
    rows = {len(observation.instruction) for observation in observations}
    if rows != {1}:
        raise ValueError(
            f"latency is measured on observations of 1 row each, got {len(observations)} of {rows} rows"
        )
    generators = [torch.Generator(policy.device).manual_seed(0)]
    times = np.empty(WARMUP + n)
    for i in range(len(times)):
        start = time.perf_counter()
        # Reading the actions waits for the device.
        policy.act(observations[i % len(observations)], generators).cpu()
        times[i] = (time.perf_counter() - start) * 1e3
    p50, p95 = np.percentile(times[WARMUP:], (50, 95)).tolist()
    return Latency(p50, p95)
