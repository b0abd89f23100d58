"""Rollouts as training data: failures, chunks of an expert, weights of windows, shares of sources."""

from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_episodes import COMMANDS, SETTINGS, SPEC, synthetic_episode, write_dataset
from tiny_policy import build, generators, loss_of, make_batch

from vlasandbox.envs.control import stored_space
from vlasandbox.envs.episode import Episode, RolloutRows
from vlasandbox.train.algorithms.weighted import gains, progress_weights
from vlasandbox.train.data import schema
from vlasandbox.train.data.cache import JoinedFrames, frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.data.merge import mixture, open_data
from vlasandbox.train.data.windows import WindowSampler
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.train.ema import EMA
from vlasandbox.train.loop import micro_batches

K = 4


def rollout(seed: int, success: bool, length: int = 6, asked: tuple[int, ...] | None = None) -> Episode:
    """A made-up rollout; an expert was asked for chunks at the steps `asked`, of K - 1 actions each."""
    episode = synthetic_episode(seed, length, success=success)
    rng = np.random.default_rng(seed)
    progress = np.linspace(0, 1 if success else 0.4, length + 1, dtype=np.float32)
    episode.rollout = RolloutRows(
        source=np.ones(length, np.int64),
        progress=progress[:-1],
        reward=np.diff(progress),
        stage=np.zeros(length, np.int64),
    )
    if asked is not None:
        episode.rollout.chunk = rng.normal(size=(length, K, len(COMMANDS))).astype(np.float32)
        episode.rollout.chunk_steps = np.where(np.isin(np.arange(length), asked), K - 1, 0)
    return episode


def write(root: Path, episodes: list[Episode]) -> Dataset:
    writer = DatasetWriter(root, SETTINGS)
    for episode in episodes:
        writer.add_episode(episode, SPEC)
    writer.commit()
    return Dataset.open(root)


def sampler(data: Dataset, **changes: object) -> WindowSampler:
    cache = np.zeros((len(data), 2, 8, 8, 3), np.uint8)
    settings: dict = {"chunk": K, "batch_size": 4, "seed": 0} | changes
    return WindowSampler(data, cache, **settings)


def test_failures_are_stored_and_left_out_unless_asked_for(tmp_path: Path):
    data = write(tmp_path / "data", [rollout(0, True), rollout(1, False, 9), rollout(2, True)])
    assert data.recording is not None
    assert [e["success"] for e in data.recording["episodes"]] == [True, False, True]
    assert len(data) == 21
    assert data.num_windows == 12
    drawn = {int(frame) for epoch in range(3) for frame in data.order(0, epoch)}
    assert drawn == {*range(6), *range(15, 21)}
    assert open_data(tmp_path / "data", failures=True).num_windows == 21
    assert data.by_policy.all()
    for name in (schema.OURS, schema.INITIAL_STATES):  # as a program that splits or merges datasets leaves it
        (tmp_path / "data" / name).unlink()
    assert np.array_equal(Dataset.open(tmp_path / "data").learned, data.learned)


def test_data_that_failed_altogether_are_refused(tmp_path: Path):
    data = write(tmp_path / "data", [rollout(0, False)])
    with pytest.raises(DatasetError, match="all of its 1 episodes failed"):
        sampler(data)


@pytest.mark.parametrize("space", [None, "ee_delta", "ee_absolute", "ee_relative"])
def test_an_experts_chunk_is_the_label_of_the_frame_where_it_was_asked(tmp_path: Path, space: str | None):
    episodes = [rollout(0, False, asked=(0, 3)), rollout(1, True, asked=(2,))]
    data = write(tmp_path / "data", episodes)
    assert np.flatnonzero(data.learned).tolist() == [0, 3, 8]
    windows = sampler(data, action_space=space, batch_size=3)
    frames, batch = windows.frames(0), windows.batch(0)
    assert sorted(frames) == [0, 3, 8]
    encode = stored_space(SPEC, space)
    for frame, actions, mask in zip(frames, batch.actions.numpy(), batch.mask.numpy(), strict=True):
        episode, step = episodes[frame // 6], frame % 6
        assert episode.rollout is not None
        assert episode.rollout.chunk is not None
        commands = episode.rollout.chunk[step]
        reference = episode.reference[step]
        assert mask.tolist() == [True] * (K - 1) + [False]
        for i in range(K - 1):
            before = reference if i == 0 or encode.mode == "relative" else commands[i - 1]
            assert np.allclose(actions[i], encode.encode(commands[i], before), atol=1e-5)
    windows.close()


def test_a_mixture_has_the_shares_that_were_asked_for(tmp_path: Path):
    base = Dataset.open(write_dataset(tmp_path / "base", seeds=(0, 1, 2), length=20))
    first = write(tmp_path / "first", [rollout(3, True), rollout(4, False)])
    second = write(tmp_path / "second", [rollout(5, True), rollout(6, True)])
    lost = write(tmp_path / "lost", [rollout(7, False)])
    whole = mixture(base, [first, lost, second], share=0.75)
    assert len(whole) == len(base) + len(first) + len(second)
    drawn = np.concatenate([whole.order(0, epoch) for epoch in range(20)])
    assert np.mean(drawn < len(base)) == pytest.approx(0.25, abs=0.02)
    second_share = np.mean(drawn >= len(base) + len(first))
    assert second_share == pytest.approx(0.5, abs=0.02)
    failed = range(len(base) + 6, len(base) + len(first))
    assert not np.isin(drawn, failed).any()
    assert mixture(base, [lost], share=0.75) is base


def test_joined_frames_are_those_of_the_parts(tmp_path: Path):
    parts = [Dataset.open(write_dataset(tmp_path / name, (seed,))) for seed, name in enumerate("ab")]
    caches = [frame_cache(part, 16) for part in parts]
    joined, whole = JoinedFrames(caches), np.concatenate(caches)
    assert len(joined) == len(whole)
    rows = np.random.default_rng(0).integers(len(whole), size=(5, 2))
    assert np.array_equal(joined[rows], whole[rows])


def test_weights_multiply_the_loss_of_rows_and_nothing_else():
    policy, batch = build().eval(), make_batch(3)
    batch.grounding = None
    rows = []
    for row in range(3):
        batch.weight = torch.nn.functional.one_hot(torch.tensor(row), 3).float()
        rows.append(loss_of(policy, batch))
    batch.weight = torch.tensor([0.5, 0.0, 2.0])
    assert loss_of(policy, batch).item() == pytest.approx(((rows[0] * 0.5 + rows[2] * 2) / 2.5).item())
    batch.weight = torch.ones(3)
    weighted = loss_of(policy, batch)
    batch.weight = None
    assert weighted.item() == pytest.approx(loss_of(policy, batch).item())


def test_parts_of_a_weighted_batch_have_the_gradient_of_the_whole():
    policy, batch = build().eval(), make_batch(4)
    batch.grounding, batch.weight = None, torch.tensor([1.0, 0.25, 0.0, 3.0])
    whole, _ = policy.loss(batch, generators(0)[0])
    parts = [policy.loss(part, generators(0)[0], batch.num_valid / 2)[0] for part in micro_batches(batch, 2)]
    assert torch.stack(parts).mean().item() == pytest.approx(whole.item())


def test_the_sampler_gives_each_window_its_weight(tmp_path: Path):
    data = Dataset.open(write_dataset(tmp_path / "data"))
    weights = np.arange(len(data), dtype=np.float32)
    windows = sampler(data, weights=weights)
    weight = windows.batch(1).weight
    assert weight is not None
    assert weight.tolist() == windows.frames(1).tolist()
    windows.close()


def test_progress_decides_the_weight_of_a_window(tmp_path: Path):
    data = write(tmp_path / "data", [rollout(0, True), rollout(1, False, 4)])
    gain = gains(data, 2)
    assert gain[:6] == pytest.approx([1 / 3] * 5 + [1 / 6], abs=1e-6)
    assert gain[6:] == pytest.approx([0.2] * 3 + [0.1], abs=1e-6)
    mixed = np.array([-0.1, 0.0, 0.005, 0.5, np.nan])
    weights = progress_weights(mixed, full=0.01)
    assert weights[0] == 0
    assert 0 < weights[1] < weights[2] < 1
    assert weights[3:].tolist() == [1, 1]


def test_inside_averaged_the_model_has_the_averages_and_afterwards_its_own_weights():
    model = torch.nn.Linear(2, 2)
    ema = EMA(model, 0.9)
    average = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    own = model.weight.detach().clone()
    with ema.averaged():
        assert torch.equal(model.weight, average)
    assert torch.equal(model.weight, own)
