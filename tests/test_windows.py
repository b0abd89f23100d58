"""Windows: which actions count, in what order they come, and what the sampler hands out."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_datasets import edit_info
from hypothesis import given
from hypothesis import strategies as st
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.envs.control import stored_space
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.data.windows import WindowSampler, horizons
from vlasandbox.train.data.writer import DatasetWriter

CHUNK = 4


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("windows") / "pick"
    writer = DatasetWriter(root, SETTINGS)
    writer.add_episode(synthetic_episode(0, 6, perturbed=[3]), SPEC)
    writer.add_episode(synthetic_episode(1, 9), SPEC)
    writer.commit()
    return Dataset.open(root)


@pytest.fixture(scope="module")
def cache(dataset: Dataset) -> np.ndarray:
    """Pictures that carry their frame's number in the first pixel."""
    frames = np.zeros((len(dataset), 2, 8, 8, 3), np.uint8)
    frames[:, :, 0, 0, 0] = np.arange(len(dataset))[:, None]
    return frames


def sampler(dataset: Dataset, cache: np.ndarray, **changes: object) -> WindowSampler:
    settings: dict = {"chunk": CHUNK, "batch_size": 4, "seed": 0} | changes
    return WindowSampler(dataset, cache, **settings)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=4), st.integers(1, 6))
def test_mask_is_the_rule_spelled_out(episodes: list[list[bool]], chunk: int) -> None:
    lengths = np.array([len(flags) for flags in episodes])
    starts = np.cumsum(lengths) - lengths
    horizon = horizons(starts, lengths, np.concatenate([np.array(flags) for flags in episodes]))
    for start, flags in zip(starts, episodes, strict=True):
        for t in range(len(flags)):
            inside = [t + h <= len(flags) - 1 for h in range(chunk)]
            undisturbed = [not any(flags[t : t + h]) for h in range(chunk)]
            expected = [a and b for a, b in zip(inside, undisturbed, strict=True)]
            assert (np.arange(chunk) < horizon[start + t]).tolist() == expected


def test_the_docstrings_example_holds(dataset: Dataset) -> None:
    horizon = horizons(dataset.starts, dataset.lengths, dataset.perturbed)
    mask = (np.arange(CHUNK) < horizon[[0, 2, 3, 4], None]).astype(int)
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]]


def test_windows_hold_the_frame_and_the_actions_that_follow_it(dataset: Dataset, cache: np.ndarray) -> None:
    windows = sampler(dataset, cache)
    horizon = horizons(dataset.starts, dataset.lengths, dataset.perturbed)
    for step in range(8):
        batch = windows.batch(step)
        for row, frame in enumerate(windows.frames(step)):
            assert int(batch.observation.images[row, 1, 0, 0, 0]) == frame
            assert torch.equal(batch.observation.state[row], torch.from_numpy(dataset.state[frame]))
            assert batch.observation.instruction[row] == dataset.tasks[dataset.task_index[frame]]
            assert batch.grounding is not None
            assert dataset.target_uv is not None
            assert torch.equal(batch.grounding.uv[row], torch.from_numpy(dataset.target_uv[frame]))
            for h in range(CHUNK):
                last = min(h, int(horizon[frame]) - 1)
                assert bool(batch.mask[row, h]) == (h < horizon[frame])
                assert torch.equal(batch.actions[row, h], torch.from_numpy(dataset.action[frame + last]))
    windows.close()


def test_a_batch_depends_on_seed_and_step_alone(dataset: Dataset, cache: np.ndarray) -> None:
    forwards, other = sampler(dataset, cache, seed=3), sampler(dataset, cache, seed=4)
    in_order = [forwards.batch(step) for step in range(12)]
    resumed = sampler(dataset, cache, seed=3)
    for step in (7, 2, 11, 3):
        again = resumed.batch(step)
        assert torch.equal(again.actions, in_order[step].actions)
        assert torch.equal(again.observation.images, in_order[step].observation.images)
    assert not np.array_equal(other.frames(0), forwards.frames(0))
    for windows in (forwards, other, resumed):
        windows.close()


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_every_epoch_visits_every_frame_once(
    dataset: Dataset, cache: np.ndarray, seed: int, batch_size: int
) -> None:
    windows = sampler(dataset, cache, seed=seed, batch_size=batch_size)
    steps = -(-2 * len(dataset) // batch_size)
    stream = np.concatenate([windows.frames(step) for step in range(steps)])
    for epoch in (0, 1):
        visited = stream[epoch * len(dataset) : (epoch + 1) * len(dataset)]
        assert sorted(visited) == list(range(len(dataset)))
    windows.close()


def test_statistics_are_those_of_the_converted_actions(dataset: Dataset, cache: np.ndarray) -> None:
    windows = sampler(dataset, cache, action_space="ee_absolute")
    assert dataset.spec_dict is not None
    assert dataset.command is not None
    assert dataset.reference is not None
    absolute = stored_space(dataset.spec_dict, "ee_absolute").encode(dataset.command, dataset.reference)
    stats = windows.stats()
    np.testing.assert_allclose(stats["action"]["mean"], absolute.mean(0), rtol=1e-5)
    np.testing.assert_allclose(stats["action"]["std"], absolute.std(0), rtol=1e-5)
    np.testing.assert_allclose(stats["action"]["q99"], np.quantile(absolute, 0.99, axis=0), rtol=1e-5)
    np.testing.assert_array_equal(stats["state"]["min"], dataset.state.min(0))
    first = windows.batch(0).actions[:, 0].numpy()
    np.testing.assert_allclose(first, absolute[windows.frames(0)], rtol=1e-6)
    assert first.dtype == np.float32
    windows.close()


def test_relative_actions_count_from_the_command_at_the_start_of_the_window(
    dataset: Dataset, cache: np.ndarray
) -> None:
    windows = sampler(dataset, cache, action_space="ee_relative")
    assert dataset.command is not None
    assert dataset.reference is not None
    batch, frames = windows.batch(0), windows.frames(0)
    for actions, mask, frame in zip(batch.actions.numpy(), batch.mask.numpy(), frames, strict=True):
        rows = frame + np.arange(mask.sum())
        moved = dataset.command[rows, :3] - dataset.reference[frame, :3]
        np.testing.assert_allclose(actions[mask][:, :3], moved, atol=1e-6)
    spread = windows.stats()["action"]["std"]
    assert (spread[:3] != sampler(dataset, cache).stats()["action"]["std"][:3]).all()
    windows.close()


def test_the_next_two_batches_are_made_without_being_asked_for(dataset: Dataset, cache: np.ndarray) -> None:
    windows, made = sampler(dataset, cache), threading.Semaphore(0)
    frames = windows.frames

    def counted(step: int) -> np.ndarray:
        made.release()
        return frames(step)

    windows.frames = counted  # type: ignore[method-assign]
    windows.batch(5)
    assert all(made.acquire(timeout=20) for _ in range(3))
    assert not made.acquire(blocking=False)
    assert windows.wait_seconds > 0
    windows.close()


def test_actions_without_a_known_meaning_are_not_converted(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "d", SETTINGS)
    writer.add_episode(synthetic_episode(0, 4), SPEC)
    writer.commit()
    (tmp_path / "d/meta/vlasandbox.json").unlink()
    edit_info(tmp_path / "d", lambda info: info["features"]["action"].pop("info"))
    foreign = Dataset.open(tmp_path / "d")
    with pytest.raises(DatasetError, match="does not say what its actions mean"):
        sampler(foreign, np.zeros((4, 2, 8, 8, 3), np.uint8), action_space="ee_absolute")
