"""Latency is that of whole answers to single observations."""

import time

import numpy as np
import pytest
from small_policies import small_policy

from vlasandbox.eval.rollout.inference import observation_of
from vlasandbox.eval.rollout.lane_observation import LaneObservation
from vlasandbox.eval.rollout.latency import WARMUP, measure


def sight(step: int = 0) -> LaneObservation:
    images = np.full((2, 32, 32, 3), step, np.uint8)
    return LaneObservation(2_000_000, step, images, np.zeros(17, np.float32), "pick up the red cube")


def test_latency_is_of_whole_answers_after_the_warm_up():
    policy = small_policy("regression")
    act, seen = policy.act, []

    def slow(observation, generators, **options):
        seen.append(int(observation.images[0, 0, 0, 0, 0]))
        time.sleep(0.5 if len(seen) <= WARMUP else 0.02)
        return act(observation, generators, **options)

    policy.act = slow  # pyright: ignore[reportAttributeAccessIssue]
    latency = measure(policy, [observation_of(sight(step)) for step in range(3)], n=6)
    assert 20 <= latency.p50 <= latency.p95 < 450
    assert len(seen) == WARMUP + 6
    assert seen == [i % 3 for i in range(WARMUP + 6)]


def test_latency_refuses_batches_and_nothing():
    policy = small_policy("regression")
    with pytest.raises(ValueError, match="1 row each"):
        measure(policy, [observation_of(sight(), rows=2)])
    with pytest.raises(ValueError, match="1 row each"):
        measure(policy, [])
