"""What every task must satisfy; a new file in envs/tasks is tested by being there."""

import json
import multiprocessing
import warnings
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from vlasandbox import envs
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.expert import NoiseConfig
from vlasandbox.envs.language import PLAIN

TASKS = envs.task_names()


@pytest.fixture(scope="module", params=TASKS)
def env(request):
    environment = envs.make(request.param, image_size=48)
    yield environment
    environment.close()


@pytest.fixture(scope="module", params=TASKS)
def blind(request):
    """For what needs no pictures: they take most of the time."""
    environment = envs.make(request.param, cameras=())
    yield environment
    environment.close()


def _episode(task: str, seed: int):
    environment = envs.make(task, image_size=48)
    episode = collect_episode(environment, seed, NoiseConfig())
    environment.close()
    return episode


def _equal(a, b) -> bool:
    images = all(np.array_equal(a.images[name], b.images[name]) for name in a.images)
    arrays = (
        "state",
        "action",
        "reference",
        "command",
        "perturbed",
        "target_uv",
        "target_xyz",
        "initial_state",
    )
    return images and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)


@pytest.mark.parametrize("task", TASKS)
def test_gymnasium_accepts_the_environment_without_warnings(task):
    environment = gymnasium.make(envs.env_id(task), image_size=48, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(environment.unwrapped, skip_render_check=True)  # it would open a window
    environment.close()


@pytest.mark.parametrize(("task", "mode"), [*((task, "sync") for task in TASKS), ("pick", "async")])
def test_gymnasium_makes_vectors_of_it(task, mode):
    settings: dict[str, Any] = {"vector_kwargs": {"context": "spawn"}} if mode == "async" else {}
    vector: Any = gymnasium.make_vec(
        envs.env_id(task), num_envs=2, vectorization_mode=mode, image_size=32, **settings
    )
    observation, _ = vector.reset(seed=[5, 6])
    assert observation["pixels"]["front"].shape == (2, 32, 32, 3)
    assert len(observation["instruction"]) == 2
    _, reward, *_ = vector.step(vector.action_space.sample())
    assert reward.shape == (2,)
    vector.close()


@pytest.mark.slow
def test_an_episode_is_the_same_in_another_process_and_after_other_episodes(env):
    seed = 11
    first = collect_episode(env, seed, NoiseConfig())
    collect_episode(env, 3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.apply(_episode, (env.task_name, seed))
    assert _equal(first, collect_episode(env, seed, NoiseConfig()))
    assert _equal(first, elsewhere)
    assert first.instruction == elsewhere.instruction


def test_two_environments_in_one_process_do_not_disturb_each_other(env):
    alone = collect_episode(env, 7)
    other = envs.make(env.task_name, image_size=48)
    other.reset(seed=8)
    expert = env.definition.expert()
    observation, _ = env.reset(seed=7)
    for row in range(len(alone)):
        assert np.array_equal(observation["pixels"]["front"], alone.images["front"][row])
        other.step(other.action_space.sample())
        observation, *_ = env.step(expert.act(env))
    other.close()


def test_different_seeds_give_different_episodes(env):
    starts = [env.reset(seed=seed)[0]["pixels"]["front"] for seed in range(4)]
    assert all(not np.array_equal(starts[0], start) for start in starts[1:])


def test_an_episode_starts_at_rest(blind):
    for seed in range(5):
        blind.reset(seed=seed)
        before = blind.data.qpos.copy()
        hold = blind.actions.encode(blind.reference(), blind.reference())
        blind.step(hold)
        assert np.abs(blind.data.qpos - before).max() < 1e-3


def test_a_stored_initial_state_restarts_the_episode_bit_for_bit(blind):
    episode = collect_episode(blind, 2)
    blind.reset(seed=2)
    blind.step(blind.action_space.high)
    blind.set_physics_state(episode.initial_state)
    for action in episode.action:
        blind.step(action)
    state = blind.physics_state()
    blind.reset(seed=2)
    for action in episode.action:
        blind.step(action)
    assert np.array_equal(state, blind.physics_state())


def test_a_block_of_actions_equals_single_steps(env):
    actions = collect_episode(env, 5).action
    assert env.reset(seed=5)[1]["mode"] is None
    _, rewards, _, _, infos = zip(*(env.step(action) for action in actions), strict=True)
    single = env.physics_state()
    env.reset(seed=5)
    observation, reward, terminated, _, info = env.step_block(np.concatenate([actions, actions]))
    assert info["steps"] == len(actions)
    assert info["mode"] == infos[-1]["mode"]
    assert info["path"].dtype == np.float32
    assert np.array_equal(info["path"], np.concatenate([each["path"] for each in infos]))
    assert terminated
    assert np.array_equal(single, env.physics_state())
    assert reward == pytest.approx(sum(rewards))
    assert observation["agent_pos"].shape == env.observation_space["agent_pos"].shape


def _sample(environment) -> int:
    """Episodes to play: fewer of the long ones. The full counts are benchmarks/expert_success.py's."""
    return int(min(20, max(5, 80 / environment.definition.time_limit)))


def test_the_expert_succeeds(blind):
    count = _sample(blind)
    episodes = [collect_episode(blind, seed) for seed in range(1_000_000, 1_000_000 + count)]
    assert sum(episode.success for episode in episodes) >= count - 1
    assert max(len(episode) for episode in episodes if episode.success) < blind._max_episode_steps


def test_the_expert_recovers_from_disturbances(blind):
    count, noise = _sample(blind), NoiseConfig()
    episodes = [collect_episode(blind, seed, noise) for seed in range(count)]
    assert any(episode.perturbed.any() for episode in episodes)
    assert sum(episode.success for episode in episodes) >= 0.8 * count


def test_success_ends_an_episode_with_full_progress(blind):
    expert = blind.definition.expert()
    blind.reset(seed=1)
    total, stages, terminated, info = blind._progress, [], False, {}
    while not terminated:
        _, reward, terminated, truncated, info = blind.step(expert.act(blind))
        assert not truncated
        total += reward
        stages.append(info["stage"])
    assert info["is_success"]
    assert info["progress"] == 1.0 == pytest.approx(total)
    assert set(stages) <= set(blind.definition.stages)
    assert stages[-1] == blind.definition.stages[-1]


def test_doing_nothing_runs_into_the_time_limit(blind):
    blind.reset(seed=1)
    hold = blind.actions.encode(blind.reference(), blind.reference())
    _, _, terminated, truncated, info = blind.step_block(np.tile(hold, (1000, 1)))
    assert truncated
    assert not terminated
    assert not info["is_success"]
    assert info["steps"] == round(blind.definition.time_limit * blind.control_hz)


def test_swapping_the_instruction_leaves_the_scene_and_the_success_alone(env):
    for seed in range(10):
        plain, info = env.reset(seed=seed)
        focus = env.grounding()[1]
        swapped, swapped_info = env.reset(seed=seed, options={"instruction": "swapped"})
        assert np.array_equal(plain["pixels"]["front"], swapped["pixels"]["front"])
        assert info["instruction"] != swapped_info["instruction"]
        assert swapped["instruction"] in env.definition.instructions()
        assert np.array_equal(env.grounding()[1], focus)


def test_the_declaration_is_json_and_complete(env):
    declared = json.loads(json.dumps(env.spec_dict()))
    assert len(declared["state_names"]) == env.reset(seed=0)[0]["agent_pos"].size
    assert len(declared["action_space"]["dims"]) == env.action_space.shape[0]
    assert declared["action_space"]["gripper"].startswith("+1 open")


def test_a_scene_can_be_asked_what_its_own_instructions_ask_and_more(blind):
    known = blind.definition.meanings()
    for seed in range(5):
        blind.reset(seed=seed)
        mine = blind.scenario
        questions = {question.asked: question for question in blind.questions()}
        assert len(questions) == len(blind.questions()) > 1, "two questions in the same words"
        assert {mine.asked, mine.swapped} <= questions.keys() <= set(known)
        assert repr(questions[mine.asked]) == repr(replace(mine, swapped=questions[mine.asked].swapped))
        for question in questions.values():
            assert not blind.definition.is_success(blind.world, question)


def test_a_typed_sentence_is_judged_by_what_it_asks_for(blind):
    outcomes = []
    for seed in (5, 6, 7):
        blind.reset(seed=seed)
        start = blind.physics_state()
        others = [q for q in blind.questions() if q.asked != blind.scenario.asked]
        wanted = others[seed % len(others)].asked
        sentence = blind.definition.say(wanted, PLAIN, np.random.default_rng(0))
        observation, info = blind.reset(seed=seed, options={"sentence": sentence})
        assert np.array_equal(blind.physics_state(), start)
        assert observation["instruction"] == info["instruction"] == sentence
        assert blind.is_scored
        assert blind.scenario.asked == wanted != blind.scenario.swapped
        expert, done = blind.definition.expert(), False
        while not done:
            _, _, terminated, truncated, info = blind.step(expert.act(blind))
            done = terminated or truncated
        outcomes.append(info["is_success"])
    assert sum(outcomes) >= 2
