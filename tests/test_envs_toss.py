"""The toss task: the bins are out of reach, so that only a cube in flight gets there."""

import gymnasium
import numpy as np
import pytest
from expert_episodes import act_until

from vlasandbox import envs
from vlasandbox.envs.control import ACTION_SPACES
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.props.objects import put
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.tasks.toss import CUBE, HEIGHT, INSIDE, SPEED


@pytest.fixture(scope="module")
def env():
    environment = envs.make("toss", image_size=32)
    yield environment
    environment.close()


def test_no_cube_can_be_carried_to_a_bin(env):
    reach = env.definition.robots[0].limits.high[1]
    for seed in range(20):
        env.reset(seed=seed)
        for body in (env.scenario.bin, env.scenario.other_bin):
            assert abs(env.data.xpos[body, 1]) - INSIDE > reach + CUBE.size[1]


def test_a_cube_let_go_at_rest_falls_short(env):
    env.reset(seed=0)
    act_until(env, lambda: env.data.xpos[env.scenario.target, 2] >= 0.1)
    bin_ = env.data.xpos[env.scenario.bin]
    goal = np.array([[bin_[0], np.sign(bin_[1]) * 0.24, 0.3, np.pi / 2, -1.0]])
    info = {}
    for step in range(40):
        goal[0, 4] = -1.0 if step < 20 else 1.0
        slowly = goal.copy()
        slowly[0, :3] = env.goals()[0, :3] + np.clip(goal[0, :3] - env.goals()[0, :3], -0.03, 0.03)
        *_, terminated, _, info = env.step(env.actions.encode(env.command_towards(slowly), env.reference()))
        if terminated:
            break
    assert not info["is_success"]
    assert abs(env.data.xpos[env.scenario.target, 1]) < abs(bin_[1]) - INSIDE


@pytest.mark.parametrize("hz", [5.0, 50.0])
def test_the_cube_is_fast_when_it_is_let_go(hz):
    env = envs.make("toss", image_size=8, cameras=("front",), control_hz=hz)
    expert = env.definition.expert()
    for seed in range(3):
        env.reset(seed=seed)
        address = env.model.body_dofadr[env.scenario.target]
        done, info, fastest = False, {}, 0.0
        while not done:
            *_, terminated, truncated, info = env.step(expert.act(env))
            done = terminated or truncated
            fastest = max(fastest, abs(env.data.qvel[address + 1]))
        assert info["is_success"]
        assert 0.9 < fastest < 1.6
    env.close()


def test_only_the_named_cube_alone_in_the_named_bin_is_success(env):
    env.reset(seed=0)
    scenario = env.scenario
    for cube, bin_, expected in (
        (scenario.other, scenario.bin, False),
        (scenario.target, scenario.bin, False),
        (scenario.other, scenario.other_bin, True),
        (scenario.target, scenario.other_bin, False),
    ):
        put(env.world, cube, env.data.xpos[bin_] + [0.0, 0.0, CUBE.height])
        refresh(env.model, env.data)
        assert env.definition.is_success(env.world, scenario) is expected
    assert env.definition.stage(env.world, scenario) == "wrong_bin"
    assert env.definition.has_failed(env.world, scenario)


def test_a_cube_above_a_bin_is_not_in_it(env):
    env.reset(seed=0)
    scenario = env.scenario
    put(env.world, scenario.target, env.data.xpos[scenario.bin] + [0.0, 0.0, HEIGHT + 0.05])
    refresh(env.model, env.data)
    assert env.definition.stage(env.world, scenario) == "flying"
    assert not env.definition.has_failed(env.world, scenario)


@pytest.mark.parametrize("name", ACTION_SPACES)
def test_the_tasks_own_limits_hold_in_every_action_space(name):
    env = envs.make("toss", image_size=8, cameras=("front",), action_space=name)
    if name == "ee_delta":
        assert isinstance(env.action_space, gymnasium.spaces.Box)
        assert env.action_space.high[0] == pytest.approx(SPEED / env.control_hz)
    episode = collect_episode(env, 3)
    assert episode.success
    fastest = np.linalg.norm(np.diff(episode.reference[:, :3], axis=0), axis=1).max() * env.control_hz
    assert 1.0 < fastest < SPEED + 0.01
    env.close()


def test_other_tasks_keep_their_robots_limits():
    slow = envs.make("pick", image_size=8)
    assert slow.definition.robots[0].limits == slow.definition.robots[0].default_limits
    slow.close()


def test_the_cube_and_the_near_half_of_the_bin_are_well_inside_the_front_view(env):
    for seed in range(6):
        env.reset(seed=seed)
        scenario = env.scenario
        for wanted in (scenario.target, scenario.bin):
            holding = wanted == scenario.bin
            act_until(env, lambda: (scenario.target in env.world.held()) == holding)  # noqa: B023
            (uv, _), xyz = env.grounding()
            assert ((uv > 0.06) & (uv < 0.94)).all()
            assert np.abs(xyz - env.data.xpos[wanted])[:2].max() < INSIDE
