"""The detour task: two equally good ways, and nothing in between."""

from dataclasses import replace

import numpy as np
import pytest
from expert_episodes import act_until

from vlasandbox import envs
from vlasandbox.envs.tasks.detour import CEILING, SIDES, WALL, WALL_AT


@pytest.fixture(scope="module")
def env():
    environment = envs.make("detour", image_size=32)
    yield environment
    environment.close()


def _drive(env, wanted) -> tuple[dict, int]:
    steps = 0
    while steps <= env.definition.time_limit * env.control_hz:
        action = env.actions.encode(env.command_towards(wanted()), env.reference())
        *_, terminated, truncated, info = env.step(action)
        steps += 1
        if terminated or truncated:
            return info, steps
    raise AssertionError("the episode did not end at its time limit")


@pytest.mark.slow
def test_both_ways_are_taken_about_equally_often_and_are_equally_long(env):
    expert, lengths = env.definition.expert(), {side: [] for side in SIDES.values()}
    for seed in range(30):
        env.reset(seed=seed)
        info, steps = _drive(env, lambda: expert.wanted(env))
        assert info["is_success"]
        lengths[env.definition.mode(env.world, env.scenario)].append(steps)
    assert min(map(len, lengths.values())) >= 9
    assert abs(np.mean(lengths["near"]) - np.mean(lengths["far"])) < 0.5


def test_the_expert_succeeds_on_either_side_of_the_same_scene(env):
    expert = env.definition.expert()
    for side, name in SIDES.items():
        env.reset(seed=0)
        env.scenario = replace(env.scenario, way=replace(env.scenario.way, side=side))
        assert env.definition.mode(env.world, env.scenario) is None
        assert _drive(env, lambda: expert.wanted(env))[0]["is_success"]
        assert env.definition.mode(env.world, env.scenario) == name


def test_the_average_of_both_ways_fails(env):
    for seed in range(5):
        env.reset(seed=seed)
        way, z = env.scenario.way, env.goals()[0, 2]
        info, steps = _drive(env, lambda way=way, z=z: np.array([[*way._at(way.length, 0.0), z, 0.0, -1.0]]))
        assert not info["is_success"]
        assert steps < 15  # the push ends the episode


def test_scenes_are_their_own_mirror_images(env):
    for seed in range(10):
        env.reset(seed=seed)
        way = env.scenario.way
        assert np.allclose(way.seen_from(env.scenario.start[0, :2]), 0.0)
        for body in (env.scenario.mark, env.scenario.other, *env.scenario.walls):
            assert abs(way.seen_from(env.data.xpos[body, :2])[1]) < 1e-3
        along = env.data.xmat[next(iter(env.scenario.walls))].reshape(3, 3)[:2, 0]
        assert abs(along @ way.ahead) < 1e-3


def test_walls_cannot_be_flown_over(env):
    env.reset(seed=0)
    env.step_block(np.tile([0.0, 0.0, 0.1, 0.0, -1.0], (5, 1)))
    assert env.reference()[2] == pytest.approx(CEILING)
    assert env.world.robot.lowest(env.model, env.data) < 2 * WALL[2]
    joint = envs.make("detour", image_size=8, action_space="joint_delta")
    joint.reset(seed=0)
    *_, terminated, _, info = joint.step_block(np.tile([0.0, -0.1, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0], (5, 1)))
    assert terminated
    assert not info["is_success"]
    joint.close()


def test_the_way_taken_is_part_of_the_stored_state(env):
    env.reset(seed=1)
    act_until(env, lambda: env.definition.mode(env.world, env.scenario) is not None)
    taken, state = env.definition.mode(env.world, env.scenario), env.physics_state()
    assert env.scenario.way.seen_from(env.data.site_xpos[env.world.robot.site, :2])[0] > WALL_AT
    env.reset(seed=1)
    assert env.definition.mode(env.world, env.scenario) is None
    env.set_physics_state(state)
    assert env.definition.mode(env.world, env.scenario) == taken
