"""Opening a broken or foreign dataset says in one sentence what is wrong."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_episodes import SPEC, drop_checksums, synthetic_episode, write_dataset

from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = "videos/observation.images.wrist/chunk-000/file-000.mp4"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "pick")


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
    other = write_dataset(tmp_path / "other", seeds=(0, 1, 3))
    assert Dataset.open(other).fingerprint != Dataset.open(pristine).fingerprint
    drop_checksums(root)
    before = Dataset.open(root).fingerprint
    content = bytearray((root / VIDEO).read_bytes())
    content[-5] ^= 1
    (root / VIDEO).write_bytes(content)
    assert Dataset.open(root).fingerprint != before


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
    "no pictures": (
        lambda r: edit_info(r, lambda i: [f.update(dtype="float32") for f in i["features"].values()]),
        "has no camera with colors",
    ),
    "data truncated": (lambda r: os.truncate(r / DATA, 3000), rf"{DATA} is damaged"),
    "data empty": (lambda r: os.truncate(r / DATA, 0), rf"{DATA} is damaged"),
    "data missing": (lambda r: (r / DATA).unlink(), rf"{DATA} does not exist"),
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
        "task_index 1, which meta/tasks.parquet has no",
    ),
    "video truncated": (
        lambda r: os.truncate(r / VIDEO, 2500),
        rf"{VIDEO} is damaged \(the file is truncated\)",
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
            ).drop("videos/observation.images.wrist/to_timestamp"),
        ),
        "has 18 frames, but its episodes need 97",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_in_one_sentence_with_the_path(root: Path, damage: str) -> None:
    break_it, message = DAMAGES[damage]
    drop_checksums(root)
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
        intact = Dataset.open(pristine)
        np.testing.assert_array_equal(frames, frame_cache(intact, 32, pristine.with_name("frames")))
        for name in ("fps", "cameras", "image_sizes", "tasks"):
            assert getattr(dataset, name) == getattr(intact, name), f"{name} was read wrong without a word"
        for name in ("state", "action", "reference", "perturbed", "target_uv", "target_xyz", "task_index"):
            np.testing.assert_array_equal(getattr(dataset, name), getattr(intact, name), name)
    assert str(root) in message


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_info_gives_a_dataset_or_a_dataset_error(pristine: Path, data: st.DataObject) -> None:
    root = pristine.with_name("odd-info")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(pristine, root)
    drop_checksums(root)
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


def test_a_changed_byte_in_any_file_is_found(pristine: Path, root: Path) -> None:
    # The card is for people, who may edit it.
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p.name != "README.md"):
        content = path.read_bytes()
        for position in range(0, len(content), len(content) // 5):
            changed = bytearray(content)
            changed[position] ^= 16
            path.write_bytes(changed)
            with pytest.raises(DatasetError, match=path.name):
                pytest.fail(f"{path}, {position}: {Dataset.open(root).fingerprint}")
        path.write_bytes(content)
    assert Dataset.open(root).fingerprint == Dataset.open(pristine).fingerprint


def test_a_foreign_dataset_needs_no_column_of_ours(root: Path) -> None:
    ours = ["expert.reference", "expert.perturbed", "privileged.target_uv", "privileged.target_xyz"]
    (root / "meta/vlasandbox.json").unlink()
    edit_info(root, lambda info: [info["features"].pop(name) for name in ours])
    edit_info(root, lambda info: info["features"]["action"].pop("info"))
    edit_table(root / DATA, lambda table: table.drop(ours))
    dataset = Dataset.open(root)
    assert not dataset.perturbed.any()
    assert dataset.reference is None
    assert dataset.target_uv is None
    assert dataset.target_xyz is None
    assert dataset.spec_dict is None
    assert dataset.action_space is None
