"""The dataset on disk is LeRobotDataset v3.0: read back with pyarrow and PyAV alone, not with our reader."""

import json
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.train.data.schema import FileLimits
from vlasandbox.train.data.writer import DatasetWriter

LENGTHS = {0: 7, 1: 5, 4: 12, 6: 3}
CAMERAS = ("observation.images.front", "observation.images.wrist")


def write(root: Path, limits: FileLimits | None = None) -> Path:
    writer = DatasetWriter(root, SETTINGS, limits)
    for seed, length in LENGTHS.items():
        writer.add_episode(synthetic_episode(seed, length, perturbed=[1]), SPEC)
    writer.commit()
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("dataset") / "pick")


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same episodes, in files so small that only some of them fit into one."""
    return write(tmp_path_factory.mktemp("dataset") / "rolled", FileLimits(data_mb=0.004, video_mb=0.006))


def frames_of(path: Path) -> tuple[np.ndarray, list[float]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoded = list(container.decode(stream))
        assert stream.time_base is not None
        times = [float((frame.pts or 0) * stream.time_base) for frame in decoded]
        return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded]), times


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_info_has_the_keys_and_totals_lerobot_reads(root: Path) -> None:
    info = json.loads((root / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (4, 27, 2)
    assert info["fps"] == 10
    assert isinstance(info["fps"], int)
    assert info["chunks_size"] == 1000
    assert info["splits"] == {"train": "0:4"}
    assert info["data_path"] == "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    assert info["video_path"] == "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    assert not any("/" in name for name in info["features"])


def test_data_columns_are_the_features_that_are_not_videos(root: Path) -> None:
    features = json.loads((root / "meta/info.json").read_text())["features"]
    fields = pq.read_schema(root / "data/chunk-000/file-000.parquet")
    assert fields.names == [name for name, feature in features.items() if feature["dtype"] != "video"]
    for name in fields.names:
        kind = pa.from_numpy_dtype(np.dtype(features[name]["dtype"]))
        (width,) = features[name]["shape"]
        assert fields.field(name).type == (kind if width == 1 else pa.list_(kind, width)), name
    for camera in CAMERAS:
        assert features[camera]["shape"] == [32, 32, 3]
        assert features[camera]["names"] == ["height", "width", "channels"]
        assert features[camera]["info"]["video.fps"] == 10
    assert {
        name: features[name]["dtype"] for name in ("timestamp", "frame_index", "index", "task_index")
    } == {
        "timestamp": "float32",
        "frame_index": "int64",
        "index": "int64",
        "task_index": "int64",
    }


def test_each_episode_is_one_row_group_with_its_counters(root: Path) -> None:
    file = pq.ParquetFile(root / "data/chunk-000/file-000.parquet")
    assert file.num_row_groups == len(LENGTHS)
    assert file.metadata.row_group(0).column(0).compression == "SNAPPY"
    start = 0
    for i, (seed, length) in enumerate(LENGTHS.items()):
        rows, source = file.read_row_group(i).to_pydict(), synthetic_episode(seed, length, perturbed=[1])
        assert rows["frame_index"] == list(range(length))
        assert rows["index"] == list(range(start, start + length))
        assert rows["episode_index"] == [i] * length
        np.testing.assert_array_equal(
            np.array(rows["timestamp"], np.float32), np.arange(length, dtype=np.float32) / 10
        )
        np.testing.assert_array_equal(np.array(rows["action"], np.float32), source.action)
        np.testing.assert_array_equal(np.array(rows["observation.state"], np.float32), source.state)
        np.testing.assert_array_equal(np.array(rows["expert.reference"], np.float32), source.reference)
        uv = np.array(rows["privileged.target_uv"], np.float32).reshape(length, 2, 2)
        np.testing.assert_array_equal(uv, source.target_uv)
        assert rows["expert.perturbed"] == source.perturbed.tolist()
        assert rows["next.done"] == rows["next.success"] == [False] * (length - 1) + [True]
        start += length


def test_tasks_are_a_pandas_frame_indexed_by_the_instruction(root: Path) -> None:
    table = pq.read_table(root / "meta/tasks.parquet")
    assert table["task"].to_pylist() == ["pick up the red cube", "pick up the green cube"]
    assert table["task_index"].to_pylist() == [0, 1]
    assert table.schema.metadata is not None
    pandas = json.loads(table.schema.metadata[b"pandas"])
    assert pandas["index_columns"] == ["task"]
    assert {column["name"]: column["pandas_type"] for column in pandas["columns"]} == {
        "task_index": "int64",
        "task": "unicode",
    }


def test_each_frame_names_its_instruction(root: Path) -> None:
    tasks = pq.read_table(root / "meta/tasks.parquet")["task"].to_pylist()
    data = pq.read_table(root / "data/chunk-000/file-000.parquet")
    named = [tasks[i] for i in data["task_index"].to_pylist()]
    assert named == [
        synthetic_episode(s, 1).instruction for s, length in LENGTHS.items() for _ in range(length)
    ]


@pytest.mark.parametrize("dataset", ["root", "rolled"])
def test_episode_rows_lead_to_frames_and_pictures(dataset: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(dataset)
    episodes = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    start = 0
    for i, (seed, length) in enumerate(LENGTHS.items()):
        row, source = episodes[i], synthetic_episode(seed, length)
        assert (row["episode_index"], row["length"], row["tasks"]) == (i, length, [source.instruction])
        assert (row["dataset_from_index"], row["dataset_to_index"]) == (start, start + length)
        assert (row["meta/episodes/chunk_index"], row["meta/episodes/file_index"]) == (0, 0)
        data = pq.read_table(root / f"data/chunk-000/file-{row['data/file_index']:03d}.parquet")
        assert set(range(start, start + length)) <= set(data["index"].to_pylist())
        for key in CAMERAS:
            assert row[f"videos/{key}/chunk_index"] == 0
            pictures, times = frames_of(
                root / f"videos/{key}/chunk-000/file-{row[f'videos/{key}/file_index']:03d}.mp4"
            )
            first, last = row[f"videos/{key}/from_timestamp"], row[f"videos/{key}/to_timestamp"]
            assert last - first == pytest.approx(length / 10, abs=1e-9)
            shown = [n for n, time in enumerate(times) if first - 1e-4 < time < last - 1e-4]
            assert np.array(times)[shown] == pytest.approx(first + np.arange(length) / 10, abs=1e-4)
            assert psnr(pictures[shown], source.images[key.removeprefix("observation.images.")]) > 38
        start += length


def test_files_roll_over_when_they_would_grow_too_large(rolled: Path) -> None:
    for key in CAMERAS:
        assert len(list((rolled / "videos" / key / "chunk-000").iterdir())) >= 2
    files = sorted((rolled / "data/chunk-000").iterdir())
    assert len(files) >= 2
    rows = [index for file in files for index in pq.read_table(file)["index"].to_pylist()]
    assert rows == list(range(27))


def test_videos_hold_every_frame_at_a_constant_rate_from_zero(root: Path) -> None:
    for key in CAMERAS:
        path = root / f"videos/{key}/chunk-000/file-000.mp4"
        _, times = frames_of(path)
        assert times == pytest.approx(np.arange(27) / 10, abs=1e-9)
        with av.open(str(path)) as container:
            assert container.streams.video[0].average_rate == 10
            assert container.streams.video[0].codec_context.has_b_frames == 0


def test_the_colour_of_a_small_object_survives(tmp_path: Path) -> None:
    """Half-resolution chroma would miss this: the object is three pixels wide and bright red."""
    episode = synthetic_episode(0, 4)
    for frames in episode.images.values():
        frames[:] = 90
        frames[:, 11:14, 11:14] = (230, 20, 20)
    writer = DatasetWriter(tmp_path / "d", SETTINGS)
    writer.add_episode(episode, SPEC)
    writer.commit()
    pictures, _ = frames_of(tmp_path / "d/videos/observation.images.front/chunk-000/file-000.mp4")
    assert np.abs(pictures[:, 12, 12].astype(int) - (230, 20, 20)).max() < 25


def test_stats_have_lerobots_shapes_and_are_those_of_the_frames(root: Path) -> None:
    stats = json.loads((root / "meta/stats.json").read_text())
    features = json.loads((root / "meta/info.json").read_text())["features"]
    assert set(stats) == set(features)
    names = {"min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99", "count"}
    for key, block in stats.items():
        assert set(block) == names
        shape = (3, 1, 1) if key in CAMERAS else (features[key]["shape"][0],)
        assert all(np.shape(block[name]) == shape for name in names - {"count"}), key
        assert block["count"] == [27]
    action = np.concatenate([synthetic_episode(s, n).action for s, n in LENGTHS.items()]).astype(float)
    np.testing.assert_allclose(stats["action"]["mean"], action.mean(0), rtol=1e-6)
    np.testing.assert_allclose(stats["action"]["std"], action.std(0), rtol=1e-6)
    np.testing.assert_allclose(stats["action"]["min"], action.min(0))
    front = np.concatenate([synthetic_episode(s, n).images["front"] for s, n in LENGTHS.items()]) / 255
    np.testing.assert_allclose(np.ravel(stats[CAMERAS[0]]["mean"]), front.mean((0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(np.ravel(stats[CAMERAS[0]]["std"]), front.std((0, 1, 2)), rtol=1e-9)


def test_episode_stats_are_nested_lists_per_feature(root: Path) -> None:
    table = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet")
    double = pa.float64()
    assert table.schema.field("stats/action/q99").type == pa.list_(double)
    assert table.schema.field("stats/action/count").type == pa.list_(pa.int64())
    assert table.schema.field(f"stats/{CAMERAS[0]}/mean").type == pa.list_(pa.list_(pa.list_(double)))
    assert table["stats/timestamp/max"].to_pylist()[0] == pytest.approx([0.6])


def test_an_extended_dataset_keeps_its_files_and_adds_new_ones(tmp_path: Path) -> None:
    root = write(tmp_path / "d")
    before = (root / "data/chunk-000/file-000.parquet").read_bytes()
    writer = DatasetWriter(root, SETTINGS)
    writer.add_episode(synthetic_episode(9, 4), SPEC)
    writer.commit()
    assert (root / "data/chunk-000/file-000.parquet").read_bytes() == before
    row = pq.read_table(root / "meta/episodes/chunk-000/file-001.parquet").to_pylist()[0]
    assert (row["episode_index"], row["dataset_from_index"], row["dataset_to_index"]) == (4, 27, 31)
    assert (
        row["data/file_index"]
        == row[f"videos/{CAMERAS[0]}/file_index"]
        == row["meta/episodes/file_index"]
        == 1
    )
    assert row[f"videos/{CAMERAS[0]}/from_timestamp"] == 0
    assert json.loads((root / "meta/stats.json").read_text())["action"]["count"] == [31]
    assert json.loads((root / "meta/info.json").read_text())["total_frames"] == 31


def test_settings_seeds_versions_and_initial_states_lie_beside_info(root: Path) -> None:
    ours = json.loads((root / "meta/vlasandbox.json").read_text())
    assert ours["settings"] == SETTINGS
    assert ours["spec"] == SPEC
    assert [episode["seed"] for episode in ours["episodes"]] == list(LENGTHS)
    assert ours["versions"][0]["from_episode"] == 0
    assert {"mujoco", "numpy", "python"} <= set(ours["versions"][0]["packages"])
    with np.load(root / "meta/initial_states.npz") as archive:
        assert archive["seeds"].tolist() == list(LENGTHS)
        expected = np.stack(
            [synthetic_episode(s, n, perturbed=[1]).initial_state for s, n in LENGTHS.items()]
        )
        np.testing.assert_array_equal(archive["states"], expected)
