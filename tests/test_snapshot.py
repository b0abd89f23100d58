"""Snapshots of an environment: branch, restore, go on equals go on, bit for bit, on every task."""

from typing import Any

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.expert_chunk import expert_chunk, expert_solves
from vlasandbox.envs.manipulation_env import ManipulationEnv

TASKS = envs.task_names()


def _go_on(env: ManipulationEnv, steps: int) -> list[Any]:
    """What the next `steps` control steps of the expert look like, and where they lead."""
    expert, seen = env.definition.expert(), []
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(expert.act(env))
        pixels = [image.tobytes() for image in observation["pixels"].values()]
        state = env.physics_state().tobytes()
        seen.append(
            (pixels, observation["agent_pos"].tolist(), reward, info["progress"], info["stage"], state)
        )
        if terminated or truncated:
            break
    return seen


def _wander(env: ManipulationEnv, seed: int, steps: int, **how: bool) -> None:
    rng = np.random.default_rng(seed)
    low, high = env.actions.bounds()
    for _ in range(steps):
        env.step_block(rng.uniform(low, high, (1, len(low))), **how)


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        *((task, {}) for task in TASKS),
        ("pick", {"perturb": "observation_delay=2,action_delay=2,sensor_noise=1"}),
        ("pick", {"action_space": "joint_relative"}),
    ],
)
def test_going_on_after_a_branch_equals_going_on(task: str, settings: dict[str, Any]):
    env = envs.make(task, image_size=32, cameras=("front",), **settings)
    env.reset(seed=3)
    _go_on(env, 4)
    _wander(env, 0, 2)
    moment = env.snapshot()
    expected = _go_on(env, 12)
    for seed in (1, 2):
        env.restore(moment)
        _wander(env, seed, 9, render=False)
        env.restore(moment)
        assert _go_on(env, 12) == expected
    env.close()


def test_a_snapshot_of_another_episode_is_refused():
    env = envs.make("pick", cameras=())
    env.reset(seed=3)
    moment = env.snapshot()
    env.reset(seed=3)
    with pytest.raises(ValueError, match="another episode"):
        env.restore(moment)
    moment = env.snapshot()
    env.instruct(env.task_description)
    with pytest.raises(ValueError, match="another episode"):
        env.restore(moment)


def test_a_step_without_rendering_differs_in_the_pixels_alone():
    env = envs.make("pick", image_size=32)
    env.reset(seed=3)
    moment, action = env.snapshot(), env.actions.bounds()[1][None]
    drawn = env.step_block(action)
    env.restore(moment)
    blind = env.step_block(action, render=False)
    assert blind[0]["pixels"] == {}
    assert np.array_equal(blind[0]["agent_pos"], drawn[0]["agent_pos"])
    assert blind[1:4] == drawn[1:4]
    env.close()


@pytest.mark.parametrize("space", ["ee_delta", "joint_absolute", "ee6d_relative"])
def test_an_experts_chunk_is_what_the_expert_then_does(space: str):
    env = envs.make("pick", cameras=(), action_space=space)
    env.reset(seed=5)
    _wander(env, 0, 3)
    before = env.physics_state()
    chunk = expert_chunk(env, 6)
    assert np.array_equal(env.physics_state(), before)
    assert chunk.mask.all()
    assert not chunk.is_lost
    expert, moment = env.definition.expert(), env.snapshot()
    for command in chunk.commands:
        assert np.array_equal(env.command_towards(expert.wanted(env)), command)
        env.step(expert.act(env))
    after = env.physics_state()
    env.restore(moment)
    env.step_block(chunk.actions)
    assert np.abs(env.physics_state() - after).max() < 1e-3
    assert expert_solves(env)
    env.close()


def test_an_experts_chunk_ends_with_the_episode():
    env = envs.make("pick", cameras=())
    env.reset(seed=5)
    chunk = expert_chunk(env, 60)
    length = int(chunk.mask.sum())
    assert 1 < length < 60
    assert chunk.mask[:length].all()
    assert np.array_equal(chunk.actions[-1], chunk.actions[length - 1])
    env.close()
