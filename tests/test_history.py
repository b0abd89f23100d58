"""A policy with a history sees the same past in training as when it acts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from einops import rearrange
from small_policies import small_policy
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode, write_dataset
from tiny_policy import SPEC as POLICY_SPEC
from tiny_policy import MeanHead, build, generators, loss_of, make_batch, stats
from tiny_trunk import CONFIG, INSTRUCTIONS, observation

from vlasandbox import envs
from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.episode import Episode
from vlasandbox.envs.seeds import TEST
from vlasandbox.envs.simulation.lane import Lane, LaneSettings
from vlasandbox.eval.rollout.evaluate import evaluate
from vlasandbox.eval.rollout.inference import observation_of
from vlasandbox.eval.rollout.lane_observation import LaneObservation
from vlasandbox.policies.policy import Policy, PolicyConfig
from vlasandbox.policies.types import Observation
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.windows import WindowSampler
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.train.loop import train
from vlasandbox.train.presets import debug

LENGTHS = (9, 7)
CAMERAS = SPEC["cameras"]


class Recorded:
    """An environment that shows one episode after another, whatever is done."""

    def __init__(self, episodes: list[Episode]) -> None:
        self.episodes, self.cameras, self.definition = episodes, CAMERAS, self
        self.stages, self.actions, self.dims = ["only"], self, range(5)
        self.world, self.robots = self, range(1)
        self.shown = 0

    def reset(self, seed: int, options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self.episode, self.step = self.episodes[seed], 0
        return self._observation(), {"stage": "only"}

    def step_block(
        self, actions: np.ndarray, *, continues: bool = False
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        steps = min(len(actions), len(self.episode) - 1 - self.step)
        self.step += steps
        info = {"stage": "only", "steps": steps, "is_success": True, "path": np.zeros((steps, 3))}
        return self._observation(), 0.0, self.step == len(self.episode) - 1, False, info

    def _observation(self) -> dict[str, Any]:
        self.shown += 1
        pixels = {name: self.episode.images[name][self.step] for name in self.cameras}
        state, text = self.episode.state[self.step], self.episode.instruction
        return {"pixels": pixels, "agent_pos": state, "instruction": text}


@pytest.fixture(scope="module")
def episodes() -> list[Episode]:
    return [synthetic_episode(seed, length) for seed, length in enumerate(LENGTHS)]


def lane(episodes: list[Episode], history: int) -> Lane:
    recorded: Any = lambda: Recorded(episodes)  # noqa: E731
    return Lane(LaneSettings(EnvConfig(), history=history), recorded)


def observations(lane: Lane, execute: int) -> dict[tuple[int, int], LaneObservation]:
    """What the lane saw by (episode, step), when `execute` actions of each chunk are executed."""
    found = {}
    for seed in range(len(LENGTHS)):
        update = lane.begin(seed)
        while "observation" in update:
            seen = LaneObservation(**update["observation"])
            found[seen.seed, seen.step] = seen
            update = lane.act(np.zeros((execute, 5), np.float32))
    return found


def windows(episodes: list[Episode], history: int, root: Path) -> dict[tuple[int, int], Observation]:
    """What a sampler shows of every frame, by (episode, step)."""
    writer = DatasetWriter(root, SETTINGS)
    for episode in episodes:
        writer.add_episode(episode, SPEC)
    writer.commit()
    # The pictures as they were: those of the dataset went through a video.
    cache = np.concatenate([np.stack([e.images[name] for name in CAMERAS], axis=1) for e in episodes])
    sampler = WindowSampler(Dataset.open(root), cache, 4, len(cache), 0, history=history)
    seen, frames = sampler.batch(0).observation, sampler.frames(0)
    sampler.close()
    names = [(e, t) for e, episode in enumerate(episodes) for t in range(len(episode))]
    return {
        names[frame]: Observation(seen.images[i : i + 1], seen.state[i : i + 1], [seen.instruction[i]])
        for i, frame in enumerate(frames)
    }


@pytest.mark.parametrize(("history", "execute"), [(1, 4), (2, 1), (2, 4), (3, 2), (6, 4), (12, 3)])
def test_training_and_acting_see_the_same(episodes, history, execute, tmp_path):
    learned = windows(episodes, history, tmp_path / "d")
    acted = observations(lane(episodes, history), execute)
    assert set(acted) >= {(0, 0), (0, execute), (1, 0), (1, execute)}
    for where, seen in acted.items():
        one, other = learned[where], observation_of(seen)
        assert one.images.shape == (1, history * 2, 32, 32, 3)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.state, other.state)
        assert one.instruction == other.instruction


def test_the_past_comes_first_and_begins_with_the_first_frame_repeated(episodes, tmp_path):
    seen = windows(episodes, 4, tmp_path / "d")[1, 2]
    expected = [0, 0, 1, 2]
    episode = episodes[1]
    for place, t in enumerate(expected):
        for view, name in enumerate(CAMERAS):
            picture = seen.images[0, 2 * place + view].numpy()
            np.testing.assert_array_equal(picture, episode.images[name][t])
    np.testing.assert_array_equal(seen.state[0].numpy(), episode.state[expected].ravel())


@pytest.mark.parametrize(("history", "shown"), [(1, 1), (3, 3), (9, 4)])
def test_no_more_images_are_made_than_will_be_seen(episodes, history, shown):
    one = lane(episodes, history)
    one.begin(0)
    recorded: Any = one.env
    recorded.shown = 0
    one.act(np.zeros((4, 5), np.float32))
    assert recorded.shown == shown


def test_the_history_of_a_real_environment_is_what_it_showed_step_by_step():
    settings: dict[str, Any] = {"image_size": 32, "cameras": ("front", "wrist")}
    block = np.random.default_rng(0).uniform(-1, 1, (4, 5)).astype(np.float32)
    env = envs.make("pick", **settings)
    shown = [env.reset(seed=5)[0], *(env.step(action)[0] for action in block)][-3:]
    env.close()
    one = Lane(LaneSettings(EnvConfig(**settings), history=3))
    one.begin(5)
    seen = LaneObservation(**one.act(block)["observation"])
    one.close()
    assert seen.step == 4
    pictures = [seen["pixels"][name] for seen in shown for name in ("front", "wrist")]
    np.testing.assert_array_equal(seen.images, np.stack(pictures))
    np.testing.assert_array_equal(seen.state, np.concatenate([step["agent_pos"] for step in shown]))


def test_an_episode_with_a_history_is_the_same_with_one_and_two_workers_and_in_any_company():
    policy = small_policy("regression", history=2)
    alone = evaluate(policy, "pick", TEST[:3], workers=1, progress=False)
    together = evaluate(policy, "pick", TEST[1:3], workers=2, progress=False)
    assert together.episodes == alone.episodes[1:]
    assert all(e.outcome != "error" for e in alone.episodes)


# The policy


@pytest.fixture
def policy() -> Policy:
    torch.manual_seed(0)
    config = PolicyConfig(MeanHead(), CONFIG, shift=2)
    return Policy.build(config, replace(POLICY_SPEC, history=2), stats(), INSTRUCTIONS)


def twice(seen: Observation, before: Observation) -> Observation:
    images = torch.cat([before.images, seen.images], dim=1)
    return Observation(images, torch.cat([before.state, seen.state], dim=1), seen.instruction)


def test_a_policy_with_a_history_comes_back_from_its_folder(policy, tmp_path):
    policy.save(tmp_path / "policy")
    again = Policy.load(tmp_path / "policy")
    assert again.spec.history == 2
    seen = twice(observation(INSTRUCTIONS), observation(INSTRUCTIONS, seed=1))
    assert torch.equal(again.act(seen, generators(0, 1, 2)), policy.act(seen, generators(0, 1, 2)))


def test_a_policy_saved_before_there_was_a_history_has_one_of_1(tmp_path):
    build().save(tmp_path / "policy")
    path = tmp_path / "policy" / "config.json"
    description = json.loads(path.read_text())
    del description["spec"]["history"], description["sha256"]
    path.write_text(json.dumps(description))
    assert Policy.load(tmp_path / "policy").spec.history == 1


def test_what_was_seen_before_matters_and_in_which_order(policy):
    now, before = observation(INSTRUCTIONS), observation(INSTRUCTIONS, seed=1)
    actions = [policy.act(x, generators(0, 1, 2)) for x in (twice(now, before), twice(before, now))]
    assert not torch.allclose(*actions, atol=1e-4)


def test_every_state_of_the_history_is_normalised_alike(policy):
    now, before = observation(INSTRUCTIONS), observation(INSTRUCTIONS, seed=1)
    seen = twice(now, before)
    normalised = policy._trunk_input(seen.images, seen).state
    parts = [policy.state_normalizer.normalize(x.state) for x in (before, now)]
    torch.testing.assert_close(normalised, torch.cat(parts, dim=1))


def test_the_random_shift_moves_a_cameras_history_as_one(policy, monkeypatch):
    encoded = []
    encode = policy.trunk.encode
    monkeypatch.setattr(policy.trunk, "encode", lambda seen: encoded.append(seen) or encode(seen))
    batch = make_batch(6)
    still = batch.observation.images
    batch.observation = twice(batch.observation, batch.observation)
    loss_of(policy.train(), batch)
    before, now = rearrange(encoded[0].images, "b (t v) h w c -> t b v h w c", t=2)
    assert torch.equal(before, now)
    assert not torch.equal(now, still)


def test_gradients_reach_every_parameter(policy):
    batch = make_batch()
    batch.observation = twice(batch.observation, observation(INSTRUCTIONS, seed=1))
    loss_of(policy.train(), batch).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        assert "k_proj.bias" in name or parameter.grad.any(), name


def test_a_run_with_a_history_gives_a_policy_that_needs_one(tmp_path):
    config = debug.config(write_dataset(tmp_path / "d"), updates=2)
    folder = train(replace(config, data=replace(config.data, history=3)), tmp_path / "run", bar=False)
    policy = Policy.load(folder)
    assert policy.spec.history == 3
    images = torch.zeros(1, 6, 32, 32, 3, dtype=torch.uint8)
    assert policy.act(Observation(images, torch.zeros(1, 9), ["stop"]), generators(0)).shape == (1, 4, 5)
    with pytest.raises(ValueError, match=r"data\.history must be at least 1, got 0"):
        replace(config.data, history=0)
