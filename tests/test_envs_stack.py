"""The stack task: which cube is on which matters."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.objects import put
from vlasandbox.envs.sensors import refresh


@pytest.fixture(scope="module")
def env():
    environment = envs.make("stack", image_size=32)
    yield environment
    environment.close()


def _stack(env, upper: int, lower: int) -> bool:
    """Whether it is success to have one cube upon another in the middle of the table."""
    put(env.world, lower, np.array([0.5, 0.0, 0.025]))
    put(env.world, upper, np.array([0.5, 0.01, 0.075]))
    refresh(env.model, env.data)
    return env.definition.is_success(env.world, env.scenario)


def test_only_the_named_order_is_success(env):
    env.reset(seed=0)
    upper, lower, third = env.scenario.upper, env.scenario.lower, env.scenario.third
    put(env.world, third, np.array([0.4, 0.2, 0.025]))
    assert _stack(env, upper, lower)
    assert not _stack(env, lower, upper)
    assert not _stack(env, upper, third)


def test_swapped_is_the_reverse_order(env):
    for seed in range(10):
        env.reset(seed=seed)
        asked, swapped = dict(env.scenario.asked.slots), dict(env.scenario.swapped.slots)
        assert (asked["upper"], asked["lower"]) == (swapped["lower"], swapped["upper"])


def test_a_cube_beside_the_other_one_is_not_stacked(env):
    env.reset(seed=0)
    put(env.world, env.scenario.lower, np.array([0.5, 0.0, 0.025]))
    put(env.world, env.scenario.upper, np.array([0.5, 0.06, 0.025]))
    refresh(env.model, env.data)
    assert not env.definition.is_success(env.world, env.scenario)
