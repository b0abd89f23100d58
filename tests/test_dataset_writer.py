"""Writing a dataset survives interruption at any point, and never mixes or overwrites what is not alike."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode, write_dataset

from vlasandbox.train.data import commit as commit_module
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError, exclusive
from vlasandbox.train.data.writer import DatasetWriter


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "pick")


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "pick"))


def test_the_order_of_arrival_does_not_matter(pristine: Path, tmp_path: Path) -> None:
    shuffled = write_dataset(tmp_path / "d", seeds=(2, 0, 1))
    assert Dataset.open(shuffled).fingerprint == Dataset.open(pristine).fingerprint


def test_nothing_is_lost_between_two_writers(pristine: Path, tmp_path: Path) -> None:
    first = DatasetWriter(tmp_path / "d", SETTINGS)
    first.add_episode(synthetic_episode(1, 6, perturbed=[1]), SPEC)
    first.add_failure(7)
    del first
    second = DatasetWriter(tmp_path / "d", SETTINGS)
    assert second.outcomes() == {1: True, 7: False}
    for seed in (0, 2):
        second.add_episode(synthetic_episode(seed, 5 + seed, perturbed=[1]), SPEC)
    second.commit(3)
    assert Dataset.open(tmp_path / "d").fingerprint == Dataset.open(pristine).fingerprint


def test_an_unfinished_recording_says_how_to_finish_it(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "d", SETTINGS)
    writer.add_episode(synthetic_episode(0), SPEC)
    with pytest.raises(
        DatasetError, match=r"unfinished recording \(1 episodes\): run the same `vla record` again"
    ):
        Dataset.open(tmp_path / "d")


def test_failed_seeds_are_recorded(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "d", SETTINGS)
    writer.add_failure(0)
    writer.add_episode(synthetic_episode(1), SPEC)
    writer.add_failure(2)
    writer.add_episode(synthetic_episode(3), SPEC)
    writer.commit(1)
    dataset = Dataset.open(tmp_path / "d")
    assert dataset.recording is not None
    assert dataset.recording["failed_seeds"] == [0]
    writer.commit()
    dataset = Dataset.open(tmp_path / "d")
    assert dataset.recording is not None
    assert dataset.recording["failed_seeds"] == [0, 2]
    assert writer.outcomes() == {0: False, 1: True, 2: False, 3: True}
    assert not (tmp_path / "d/.recording").exists()


class Killed(BaseException):
    """Stands for SIGKILL: no handler of ours may catch it."""


@pytest.mark.parametrize("grown", [False, True])
def test_a_commit_killed_at_any_move_is_completed_by_the_next_writer(
    grown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(name: str) -> DatasetWriter:
        if grown:
            write_dataset(tmp_path / name, seeds=(0, 1))
        writer = DatasetWriter(tmp_path / name, SETTINGS)
        for seed in (2, 3):
            writer.add_episode(synthetic_episode(seed), SPEC)
        return writer

    prepare("whole").commit()
    expected = Dataset.open(tmp_path / "whole").fingerprint
    replace, moves = os.replace, 0
    while True:
        writer, left = prepare(f"killed-{moves}"), moves

        def limited(source: Path, target: Path) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(commit_module.os, "replace", limited)
            try:
                writer.commit()
                break
            except Killed:
                pass
        again = DatasetWriter(writer.root, SETTINGS)
        again.commit()
        assert Dataset.open(writer.root).fingerprint == expected, f"killed at move {moves}"
        assert not (writer.root / ".recording").exists()
        moves += 1
    assert moves > 8


def test_a_dataset_in_the_middle_of_a_commit_is_not_opened(root: Path) -> None:
    (root / ".recording/commit").mkdir(parents=True)
    (root / ".recording/commit/manifest.json").write_text("[]")
    with pytest.raises(DatasetError, match="interrupted"):
        Dataset.open(root)


def test_a_failed_commit_changes_nothing(root: Path, pristine: Path) -> None:
    writer = DatasetWriter(root, SETTINGS)
    writer.add_episode(synthetic_episode(8, size=48), SPEC)
    writer.add_episode(synthetic_episode(9), SPEC)
    with pytest.raises(ValueError, match="image size"):
        writer.commit()
    assert Dataset.open(root).fingerprint == Dataset.open(pristine).fingerprint


def test_other_settings_are_refused_and_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="task was 'pick', now 'stack'"):
        DatasetWriter(root, SETTINGS | {"task": "stack"})
    DatasetWriter(tmp_path / "staged", SETTINGS).add_episode(synthetic_episode(0), SPEC)
    with pytest.raises(DatasetError, match="noise was"):
        DatasetWriter(tmp_path / "staged", SETTINGS | {"noise": None})


def test_another_version_of_the_environment_is_refused(root: Path) -> None:
    writer = DatasetWriter(root, SETTINGS)
    writer.add_episode(synthetic_episode(8), SPEC | {"mujoco": "5.0.0"})
    with pytest.raises(DatasetError, match="another version of the environment"):
        writer.commit()


def test_two_versions_of_the_environment_are_not_mixed_before_the_first_commit(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "d", SETTINGS)
    writer.add_episode(synthetic_episode(0), SPEC)
    writer.add_episode(synthetic_episode(1), SPEC | {"mujoco": "5.0.0"})
    with pytest.raises(DatasetError, match="another version of the environment"):
        writer.commit()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="is not empty and was not recorded by vlasandbox"):
        DatasetWriter(tmp_path / "photos", SETTINGS)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.png"]
    with pytest.raises(DatasetError, match="is not a folder"):
        DatasetWriter(tmp_path / "photos/cat.png", SETTINGS)


def test_a_dataset_that_another_program_extended_is_left_alone(root: Path) -> None:
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"total_episodes": 4}))
    with pytest.raises(DatasetError, match="changed by another program"):
        DatasetWriter(root, SETTINGS)


def test_a_fractional_control_rate_is_refused(tmp_path: Path) -> None:
    episode = synthetic_episode(0)
    episode.control_hz = 12.5
    with pytest.raises(ValueError, match=r"control_hz 12\.5"):
        DatasetWriter(tmp_path / "d", SETTINGS).add_episode(episode, SPEC)


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(tmp_path / "d" / ".recording", wait=False):
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    with (
        pytest.raises(DatasetError, match="another process"),
        exclusive(tmp_path / "d" / ".recording", wait=False),
    ):
        pass
    done.set()
    thread.join()
    with exclusive(tmp_path / "d" / ".recording", wait=False):
        pass
