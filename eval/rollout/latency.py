"""Latency of a policy: milliseconds per chunk at batch size 1, as on a robot."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...common.errors import InputError
from ...policies.policy import Policy
from ...policies.types import Observation

WARMUP = 5
"""Number of warm-up chunks."""
REPEATS = 40
"""Number of timed chunks."""


@dataclass(frozen=True)
class Latency:
    """Wall time per chunk."""

    p50: float
    """Median latency [ms]."""
    p95: float
    """95th percentile of the latency [ms]."""


def measure(
    policy: Policy, observations: Sequence[Observation], n: int = REPEATS, instruction_tokens: int = 0
) -> Latency:
    """Times `n` chunks on `observations` of one row each, cyclically, from pixels to actions on the CPU.

    Leaves the policy's device, its mode, and the number of torch threads as they are.

    Raises:
        ValueError: no observations, or one with several rows.
    """
    rows = {len(observation.instruction) for observation in observations}
    if rows != {1}:
        raise InputError(
            f"latency is measured on observations of 1 row each, got {len(observations)} of {rows} rows"
        )
    generators = [torch.Generator(policy.device).manual_seed(0)]
    times = np.empty(WARMUP + n)
    for i in range(len(times)):
        start = time.perf_counter()
        # Reading the actions synchronizes with the device.
        seen = observations[i % len(observations)]
        policy.act(seen, generators, instruction_tokens=instruction_tokens).cpu()
        times[i] = (time.perf_counter() - start) * 1e3
    p50, p95 = np.percentile(times[WARMUP:], (50, 95)).tolist()
    return Latency(p50, p95)
