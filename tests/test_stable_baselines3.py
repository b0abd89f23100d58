"""Stable-Baselines3's checker, and one short run of its PPO (extra `rl`)."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from vlasandbox import envs

pytestmark = pytest.mark.slow

sb3: Any = pytest.importorskip("stable_baselines3", reason="needs pip install 'vlasandbox[rl]'")


def flat_dict(env: gymnasium.Env) -> gymnasium.Env:
    """What Stable-Baselines3 takes: no text, and pictures in no dictionary of their own."""

    def func(observation: dict[str, Any]) -> dict[str, Any]:
        return {"agent_pos": observation["agent_pos"], **observation["pixels"]}

    space: Any = env.observation_space
    spaces = {"agent_pos": space["agent_pos"], **space["pixels"].spaces}
    return gymnasium.wrappers.TransformObservation(env, func, gymnasium.spaces.Dict(spaces))


def _make() -> gymnasium.Env:
    return flat_dict(gymnasium.make(envs.env_id("reach"), image_size=48, render_mode="rgb_array"))


def test_its_checker_accepts_the_environment(recwarn):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = _make()
    checker.check_env(env)
    env.close()
    # Actions in physical units are what the robot takes; gymnasium's RescaleAction normalizes them.
    said = [str(w.message) for w in recwarn if "stable_baselines3" in str(w.filename)]
    assert all("symmetric and normalized" in text for text in said), said


def test_ppo_learns_for_a_few_steps_on_forked_environments():
    vectors = pytest.importorskip("stable_baselines3.common.vec_env")
    _make().reset(seed=0)  # this process has rendered before it forks
    vector = vectors.SubprocVecEnv([_make, _make], start_method="fork")
    agent = sb3.PPO("MultiInputPolicy", vector, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = [p.detach().clone() for p in agent.policy.parameters()]
    agent.learn(total_timesteps=32)
    after = list(agent.policy.parameters())
    assert agent.num_timesteps == 32
    assert any(not np.array_equal(a.numpy(), b.detach().numpy()) for a, b in zip(before, after, strict=True))
    vector.close()
