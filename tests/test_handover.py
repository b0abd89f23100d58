"""handover: passed in the air, to either arm, whatever the action space and the rate."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.control import ACTION_SPACES
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.expert import NoiseConfig
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.props.bars import BARS, ON, on_mat


@pytest.fixture(scope="module")
def env():
    environment = envs.make("handover", image_size=8, cameras=("front",))
    yield environment
    environment.close()


def test_the_bar_passes_from_hand_to_hand_in_the_air(env):
    for seed in range(4):
        env.reset(seed=seed)
        expert, scenario = env.definition.expert(), env.scenario
        holders, heights, info, done = [], [], {}, False
        while not done:
            _, _, terminated, truncated, info = env.step(expert.act(env))
            done = terminated or truncated
            held = [scenario.target in arm.held(env.model, env.data) for arm in env.world.robots]
            if any(held):
                holders.append((held[scenario.giver], held[scenario.receiver]))
                heights.append(env.data.xpos[scenario.target, 2])
        assert info["is_success"]
        order = [holder for i, holder in enumerate(holders) if i == 0 or holder != holders[i - 1]]
        assert order[0] == (True, False)
        assert order[-1] == (False, True)
        exchange = holders.index((False, True))
        assert min(heights[exchange - 1 : exchange + 1]) > 0.15


def test_both_arms_give_and_both_receive(env):
    asked = []
    for seed in range(12):
        _, info = env.reset(seed=seed)
        side = np.sign(env.data.xpos[env.scenario.target, 1])
        asked.append("to the left arm" in info["instruction"])
        assert asked[-1] == (side > 0)
    assert len(set(asked)) == 2


def test_the_giver_cannot_reach_the_mat_itself(env):
    """Even if it held a bar by the very end."""
    longest = max(shape.size[0] for shape in BARS.values())
    for seed in range(4):
        env.reset(seed=seed)
        mat = env.model.body_pos[env.scenario.mat, 1]
        limits = env.definition.robots[env.scenario.giver].limits
        nearest = limits.low[1] if mat < 0 else limits.high[1]
        assert abs(mat - nearest) - longest > ON[1]


def test_another_bar_on_the_mat_is_no_success(env):
    env.reset(seed=3)
    scenario = env.scenario
    for body in (scenario.target, *scenario.others):
        address = env.model.jnt_qposadr[env.model.body_jntadr[body]]
        before = env.physics_state()
        env.data.qpos[address : address + 2] = env.model.body_pos[scenario.mat, :2]
        mujoco.mj_kinematics(env.model, env.data)
        assert on_mat(env.world, scenario.mat, body)
        assert env.definition.is_success(env.world, scenario) == (body == scenario.target)
        env.set_physics_state(before)


@pytest.mark.parametrize("hz", [5.0, 20.0, 50.0])
def test_the_expert_succeeds_at_any_rate(hz):
    environment = envs.make("handover", image_size=8, control_hz=hz, cameras=("front",))
    assert collect_episode(environment, 0).success
    environment.close()


@pytest.mark.parametrize("replayed_in", ACTION_SPACES)
def test_replaying_a_demonstration_in_any_space_succeeds(env, replayed_in):
    player = envs.make("handover", action_space=replayed_in, image_size=8, cameras=("front",))
    episode = collect_episode(env, 1)
    start = episode.reference[:1] if player.actions.mode == "relative" else episode.reference
    player.reset(seed=1)
    *_, terminated, _, info = player.step_block(player.actions.encode(episode.command, start))
    assert terminated
    assert info["is_success"]
    assert np.allclose(player.data.qpos, env.data.qpos, atol=2e-3)
    player.close()


def test_the_expert_picks_up_what_was_dropped(env):
    noise = NoiseConfig(gripper_flip=1.0)
    assert sum(collect_episode(env, seed, noise).success for seed in range(4)) >= 3
