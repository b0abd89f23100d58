"""Closed-loop speed with the policy in the loop: `python benchmarks/rollout_speed.py [--episodes 500]`.

Control steps and episodes per second of `eval.rollout.evaluate`, for some numbers of simulation processes in
turn, and the share of the policy. Without --policy the policy is untrained: each of its episodes lasts until
time runs out, which is the worst case; one that succeeds takes a third of the steps. The CPU time is that of
this process and the environments'; other work on the machine disturbs it less than the wall time.
"""

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlasandbox.envs import robots
from vlasandbox.envs.control import ActionSpace
from vlasandbox.envs.seeds import VALIDATION
from vlasandbox.envs.tasks import load
from vlasandbox.eval.rollout.evaluate import evaluate
from vlasandbox.policies.head import HeadConfig
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.policies.registry import default_config
from vlasandbox.policies.types import PolicySpec

CHUNK = 8


def untrained(head: str) -> Policy:
    """A policy of the default size with random weights."""
    arms = robots.load("franka")
    space = ActionSpace("ee_delta", tuple(arm.spec for arm in arms), 10.0)
    states = len(arms[0].state_names)
    bounds = {"action": space.bounds()}
    bounds["state"] = (np.full(states, -2.0), np.full(states, 2.0))
    stats = {
        name: {"min": low, "max": high, "mean": (low + high) / 2, "std": high - low, "q01": low, "q99": high}
        for name, (low, high) in bounds.items()
    }
    spec = PolicySpec(("front", "wrist"), states, len(space.dims), CHUNK, "ee_delta", 10.0, 96)
    config = PolicyConfig(default_config("heads", head, HeadConfig))
    torch.manual_seed(0)
    return Policy.build(config, spec, stats, load("pick").instructions())


def cpu_seconds() -> float:
    """Of this process and of those that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class Stopwatch:
    """Wraps `policy.act`: time in it over all threads, without the latency measurement's single rows."""

    def __init__(self, policy: Policy) -> None:
        self._act, self.seconds, self.rounds = policy.act, 0.0, 0
        policy.act = self  # pyright: ignore[reportAttributeAccessIssue]

    def __call__(self, observation: Any, generators: Any) -> torch.Tensor:
        """`policy.act`."""
        start = time.perf_counter()
        actions = self._act(observation, generators)
        if len(generators) > 1:
            self.seconds += time.perf_counter() - start
            self.rounds += 1
        return actions


def main() -> None:
    """Prints one line per number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", type=Path, help="folder of a policy; by default an untrained one")
    parser.add_argument("--head", default="regression", help="of the untrained policy")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1, help="repetitions; the fastest one is shown")
    arguments = parser.parse_args()
    policy = Policy.load(arguments.policy) if arguments.policy else untrained(arguments.head)
    seeds = VALIDATION[: arguments.episodes]
    name = arguments.policy or f"untrained {arguments.head}"
    print(f"{name}, {len(seeds)} episodes, load {os.getloadavg()[0]:.1f}")
    best: dict[int, tuple[float, str]] = {}
    for _ in range(arguments.rounds):
        for workers in arguments.workers:
            watch, cpu = Stopwatch(policy), cpu_seconds()
            result = evaluate(policy, "pick", seeds, workers=workers, progress=False)
            cpu = cpu_seconds() - cpu
            del policy.act
            wall = result.wall_seconds
            line = (
                f"{workers} workers  {result.env_steps / wall:6.0f} control steps/s  "
                f"{len(seeds) / wall:5.1f} episodes/s  {wall:5.1f} s wall  {cpu:5.1f} s CPU  "
                f"{1e3 * watch.seconds / watch.rounds:5.1f} ms for each of {watch.rounds} batches of 16  "
                f"{result.chunk_ms_p50:.1f} ms per chunk at batch 1  {result.successes} successes"
            )
            if workers not in best or wall < best[workers][0]:
                best[workers] = wall, line
    for _, line in best.values():
        print(line)


if __name__ == "__main__":
    main()
