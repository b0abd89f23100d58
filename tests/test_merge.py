"""A folder of datasets is trained on as one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode, write_dataset

from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.data.merge import open_data
from vlasandbox.train.data.writer import DatasetWriter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("suite")
    write_dataset(root / "a", seeds=(0, 1))
    write_dataset(root / "b", seeds=(4, 3, 2))
    return root


def test_the_whole_has_the_frames_of_its_parts_with_their_own_sentences(folder: Path):
    whole, parts = open_data(folder), [Dataset.open(folder / name) for name in "ab"]
    assert len(whole) == sum(map(len, parts))
    assert np.array_equal(whole.action, np.concatenate([part.action for part in parts]))
    said = [whole.tasks[i] for i in whole.task_index]
    assert said == [part.tasks[i] for part in parts for i in part.task_index]
    assert len(set(whole.tasks)) == len(whole.tasks)
    ends = whole.starts + whole.lengths
    assert np.array_equal(whole.starts[1:], ends[:-1])
    assert ends[-1] == len(whole)


def test_its_frames_are_those_of_its_parts(folder: Path, tmp_path: Path):
    whole = frame_cache(open_data(folder), 16, tmp_path / "whole")
    parts = [frame_cache(Dataset.open(folder / name), 16, tmp_path / name) for name in "ab"]
    assert np.array_equal(whole, np.concatenate(parts))


def test_a_change_in_any_part_changes_the_fingerprint(folder: Path, tmp_path: Path):
    before = open_data(folder).fingerprint
    assert before == open_data(folder).fingerprint
    write_dataset(tmp_path / "a", seeds=(0, 1))
    write_dataset(tmp_path / "b", seeds=(4, 3))
    assert open_data(tmp_path).fingerprint != before


def test_a_single_dataset_is_itself(folder: Path):
    assert open_data(folder / "a").fingerprint == Dataset.open(folder / "a").fingerprint


def test_datasets_of_different_robots_are_not_mixed(tmp_path: Path):
    write_dataset(tmp_path / "a", seeds=(0,))
    writer = DatasetWriter(tmp_path / "b", SETTINGS)
    writer.add_episode(synthetic_episode(1), SPEC | {"robot": "other"})
    writer.commit()
    with pytest.raises(DatasetError, match=r"do not fit together: .*robot 'franka' and 'other'"):
        open_data(tmp_path)


def test_limits_of_actions_may_differ_and_the_whole_has_the_widest(tmp_path: Path):
    write_dataset(tmp_path / "a", seeds=(0,))
    space = SPEC["action_space"]
    slower = space | {"low": [low / 2 for low in space["low"]], "high": [2 * high for high in space["high"]]}
    writer = DatasetWriter(tmp_path / "b", SETTINGS)
    writer.add_episode(synthetic_episode(1), SPEC | {"action_space": slower})
    writer.commit()
    spec = open_data(tmp_path).spec_dict
    assert spec is not None
    assert spec["action_space"] == space | {"high": slower["high"]}


def test_large_parts_are_learned_from_less_often_than_their_size_and_every_frame_in_its_turn(folder: Path):
    whole = open_data(folder)
    sizes = np.array([len(Dataset.open(folder / name)) for name in "ab"])
    orders = [whole.order(0, epoch) for epoch in range(40)]
    assert all(len(order) == len(whole) for order in orders)
    assert not np.array_equal(orders[0], orders[1])
    times = np.bincount(np.concatenate(orders), minlength=len(whole))
    small, large = times[: sizes[0]], times[sizes[0] :]
    assert small.sum() / large.sum() == pytest.approx((sizes[0] / sizes[1]) ** 0.43, rel=0.05)
    assert small.max() - small.min() <= 1
    assert large.max() - large.min() <= 1
    assert np.array_equal(orders[7], open_data(folder).order(0, 7))


def test_a_part_whose_recording_is_unfinished_is_not_left_out(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "many")
    DatasetWriter(tmp_path / "many" / "place", SETTINGS).add_episode(synthetic_episode(5), SPEC)
    with pytest.raises(DatasetError, match=r"many/place is an unfinished recording \(1 episodes\)"):
        open_data(tmp_path / "many")
