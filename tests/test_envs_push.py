"""The push task: which slab and which square both matter, and slabs cannot be grasped."""

import numpy as np
import pytest
from expert_episodes import act_until

from vlasandbox import envs
from vlasandbox.envs.props.objects import put
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.tasks.push import SLAB


@pytest.fixture(scope="module")
def env():
    environment = envs.make("push", image_size=32)
    yield environment
    environment.close()


def test_only_the_named_slab_alone_on_the_named_square_is_success(env):
    env.reset(seed=0)
    scenario = env.scenario
    for slab, square, expected in (
        (scenario.other, scenario.square, False),
        (scenario.target, scenario.square, False),
        (scenario.other, scenario.other_square, True),
        (scenario.target, scenario.other_square, False),
    ):
        put(env.world, slab, env.data.xpos[square] + [0.0, 0.0, SLAB[2]])
        refresh(env.model, env.data)
        assert env.definition.is_success(env.world, scenario) is expected


def test_slabs_are_wider_than_an_open_gripper(env):
    assert 2 * SLAB[:2].min() > 2 * env.definition.robots[0].finger_travel


def test_fingers_on_the_slab_are_no_success(env):
    env.reset(seed=0)
    act_until(env, lambda: env.definition.stage(env.world, env.scenario) == "on_square")
    assert not env.definition.is_success(env.world, env.scenario)


def test_squares_and_slabs_have_four_colours(env):
    for seed in range(10):
        env.reset(seed=seed)
        scenario = env.scenario
        bodies = [scenario.target, scenario.other, scenario.square, scenario.other_square]
        assert len(np.unique(env.model.geom_rgba[env.model.body_geomadr[bodies]], axis=0)) == 4
