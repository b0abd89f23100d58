"""Writing survives interruption; opening a broken or foreign dataset says in one sentence what is wrong."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.train.data import commit as commit_module
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError, exclusive
from vlasandbox.train.data.writer import DatasetWriter

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = "videos/observation.images.wrist/chunk-000/file-000.mp4"


def write(root: Path, seeds: tuple[int, ...] = (0, 1, 2), length: int = 5) -> Path:
    writer = DatasetWriter(root, SETTINGS)
    for seed in seeds:
        writer.add_episode(synthetic_episode(seed, length + seed, perturbed=[1]), SPEC)
    writer.commit()
    return root


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("dataset") / "pick")


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "pick"))


def edit_info(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    info = json.loads((root / "meta/info.json").read_text())
    change(info)
    (root / "meta/info.json").write_text(json.dumps(info))


def edit_table(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def test_what_was_written_is_read(pristine: Path) -> None:
    dataset = Dataset.open(pristine)
    sources = [synthetic_episode(seed, 5 + seed, perturbed=[1]) for seed in (0, 1, 2)]
    for name in ("state", "action", "reference", "perturbed", "target_uv", "target_xyz"):
        expected = np.concatenate([getattr(source, name) for source in sources])
        np.testing.assert_array_equal(getattr(dataset, name), expected)
    assert dataset.lengths.tolist() == [5, 6, 7]
    assert dataset.starts.tolist() == [0, 5, 11]
    assert dataset.cameras == ("front", "wrist")
    assert dataset.fps == 10
    assert dataset.spec_dict == SPEC
    assert dataset.action_space == "ee_delta"
    assert [dataset.tasks[i] for i in dataset.task_index[dataset.starts]] == [s.instruction for s in sources]


def test_the_fingerprint_belongs_to_the_content(pristine: Path, root: Path, tmp_path: Path) -> None:
    assert Dataset.open(root).fingerprint == Dataset.open(pristine).fingerprint
    other = write(tmp_path / "other", seeds=(0, 1, 3))
    assert Dataset.open(other).fingerprint != Dataset.open(pristine).fingerprint
    content = bytearray((root / VIDEO).read_bytes())
    content[-5] ^= 1
    (root / VIDEO).write_bytes(content)
    assert Dataset.open(root).fingerprint != Dataset.open(pristine).fingerprint


def test_the_order_of_arrival_does_not_matter(pristine: Path, tmp_path: Path) -> None:
    shuffled = write(tmp_path / "d", seeds=(2, 0, 1))
    assert Dataset.open(shuffled).fingerprint == Dataset.open(pristine).fingerprint


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda r: shutil.rmtree(r), "does not exist"),
    "no info": (lambda r: (r / "meta/info.json").unlink(), "is not a LeRobotDataset"),
    "info is not JSON": (lambda r: (r / "meta/info.json").write_text("{"), "info.json is damaged"),
    "info lacks fps": (lambda r: edit_info(r, lambda i: i.pop("fps")), "has no fps"),
    "version 2.1": (
        lambda r: edit_info(r, lambda i: i.update(codebase_version="v2.1")),
        r"is a LeRobotDataset v2\.1",
    ),
    "no action": (lambda r: edit_info(r, lambda i: i["features"].pop("action")), "has no feature 'action'"),
    "images, no video": (
        lambda r: edit_info(r, lambda i: [f.update(dtype="image") for f in i["features"].values()]),
        "has no camera stored as video",
    ),
    "data truncated": (lambda r: os.truncate(r / DATA, 3000), rf"{DATA} is damaged"),
    "data empty": (lambda r: os.truncate(r / DATA, 0), rf"{DATA} is damaged"),
    "data missing": (lambda r: (r / DATA).unlink(), "has no parquet file in data"),
    "data lacks a column": (
        lambda r: edit_table(r / DATA, lambda t: t.drop(["action"])),
        "has no column 'action'",
    ),
    "data lacks rows": (
        lambda r: edit_table(r / DATA, lambda t: t.slice(0, 9)),
        "9 frames in data, 18 in meta",
    ),
    "data reordered": (
        lambda r: edit_table(r / DATA, lambda t: t.take(list(range(17, -1, -1)))),
        "not numbered 0 to 17",
    ),
    "not finite": (
        lambda r: edit_table(
            r / DATA,
            lambda t: t.set_column(
                t.column_names.index("action"),
                "action",
                pa.array([[float("nan")] * 5] * 18, pa.list_(pa.float32(), 5)),
            ),
        ),
        "'action' that is not finite, in frame 0",
    ),
    "an episode too few": (
        lambda r: edit_table(r / EPISODES, lambda t: t.slice(0, 2)),
        "2 episodes in meta/episodes",
    ),
    "episodes lack a column": (
        lambda r: edit_table(r / EPISODES, lambda t: t.drop(["dataset_to_index"])),
        "has no column 'dataset_to_index'",
    ),
    "ours is damaged": (
        lambda r: (r / "meta/vlasandbox.json").write_text("[]"),
        r"vlasandbox\.json is damaged",
    ),
    "tasks missing": (lambda r: (r / "meta/tasks.parquet").unlink(), r"tasks\.parquet does not exist"),
    "too few tasks": (
        lambda r: edit_table(r / "meta/tasks.parquet", lambda t: t.slice(0, 1)),
        "beyond the 1 tasks",
    ),
    "video truncated": (
        lambda r: os.truncate(r / VIDEO, 2500),
        rf"{VIDEO} is damaged: the file is truncated",
    ),
    "video empty": (lambda r: os.truncate(r / VIDEO, 0), rf"{VIDEO} is damaged"),
    "video is something else": (lambda r: (r / VIDEO).write_bytes(b"hello" * 200), rf"{VIDEO} is damaged"),
    "video missing": (lambda r: (r / VIDEO).unlink(), rf"{VIDEO} does not exist"),
    "a shorter video": (
        lambda r: edit_table(
            r / EPISODES,
            lambda t: t.set_column(
                t.column_names.index("videos/observation.images.wrist/from_timestamp"),
                "videos/observation.images.wrist/from_timestamp",
                pa.array([0.0, 0.5, 9.0]),
            ),
        ),
        "has 18 frames, but its episodes need 97",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_in_one_sentence_with_the_path(root: Path, damage: str) -> None:
    break_it, message = DAMAGES[damage]
    break_it(root)
    with pytest.raises(DatasetError, match=message) as error:
        Dataset.open(root)
    assert str(root) in str(error.value)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damaged_file_gives_an_intact_dataset_or_a_dataset_error(
    pristine: Path, data: st.DataObject
) -> None:
    root = pristine.with_name("damaged")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(pristine, root)
    path = data.draw(st.sampled_from(sorted(p for p in root.rglob("*") if p.is_file())))
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:position]
    else:
        junk = data.draw(st.binary(min_size=1, max_size=16))
        content[position : position + len(junk)] = junk
    path.write_bytes(content)
    try:
        dataset = Dataset.open(root)
        frames = frame_cache(dataset, 32)
    except DatasetError as error:
        message = str(error)
    else:
        message = str(root)
        assert len(frames) == len(dataset.action) == dataset.lengths.sum() == 18
    assert str(root) in message


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_info_gives_a_dataset_or_a_dataset_error(pristine: Path, data: st.DataObject) -> None:
    root = pristine.with_name("odd-info")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(pristine, root)
    junk = st.none() | st.integers(-3, 40) | st.text(max_size=4) | st.lists(st.integers(0, 9), max_size=3)

    def change(info: dict[str, Any]) -> None:
        target = info
        if data.draw(st.booleans()):
            target = info["features"][data.draw(st.sampled_from(sorted(info["features"])))]
        target[data.draw(st.sampled_from(sorted(target)))] = data.draw(
            junk | st.dictionaries(st.text(max_size=3), junk)
        )

    edit_info(root, change)
    message = str(root)
    try:
        Dataset.open(root)
    except DatasetError as error:
        message = str(error)
    assert str(root) in message


def test_a_foreign_dataset_needs_no_column_of_ours(root: Path) -> None:
    ours = ["expert.reference", "expert.perturbed", "privileged.target_uv", "privileged.target_xyz"]
    (root / "meta/vlasandbox.json").unlink()
    edit_info(root, lambda info: [info["features"].pop(name) for name in ours])
    edit_table(root / DATA, lambda table: table.drop(ours))
    dataset = Dataset.open(root)
    assert not dataset.perturbed.any()
    assert dataset.reference is None
    assert dataset.target_uv is None
    assert dataset.target_xyz is None
    assert dataset.spec_dict is None
    assert dataset.action_space is None


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
            write(tmp_path / name, seeds=(0, 1))
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


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="is not empty and was not recorded by vlasandbox"):
        DatasetWriter(tmp_path / "photos", SETTINGS)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.png"]
    with pytest.raises(DatasetError, match="is not a folder"):
        DatasetWriter(tmp_path / "photos/cat.png", SETTINGS)


def test_a_dataset_that_another_program_extended_is_left_alone(root: Path) -> None:
    edit_info(root, lambda info: info.update(total_episodes=4))
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
