"""Other programs' datasets with one thing bent at a time: windows are as the rule says, or one sentence."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import foreign_datasets as foreign
import numpy as np
import pyarrow as pa
import pytest
import torch
from foreign_datasets import DATA, EPISODES, TASKS, TOP, WRIST, Foreign, edit_column, edit_info, edit_table
from huggingface_hub import constants

from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.files import DatasetError
from vlasandbox.train.data.merge import open_data
from vlasandbox.train.data.windows import WindowSampler

FIRST, SECOND = DATA.format(0), DATA.format(1)
CHUNK = 4
PLACE = f"videos/{TOP}/from_timestamp"


def check_windows(root: Path, sources: list[Foreign], cameras: list[str] | None = None) -> None:
    """Compares every window of the data in `root` with its rule, spelled out on what was written."""
    dataset = open_data(root)
    wanted = list(sources[0].cameras) if cameras is None else cameras
    assert dataset.cameras == tuple(key.removeprefix("observation.images.") for key in wanted)
    size = 32
    cache = frame_cache(dataset, size, root / "cache")
    windows = WindowSampler(dataset, cache, CHUNK, 5, seed=0)
    place = [(source, t) for source in sources for t in range(len(source.steps))]
    seen: set[int] = set()
    try:
        for step in range(-(-len(place) // 5) * (1 if len(sources) == 1 else 12)):
            batch = windows.batch(step)
            for row, frame in enumerate(windows.frames(step).tolist()):
                seen.add(frame)
                source, t = place[frame]
                last = source.starts[source.episode[t]] + source.lengths[source.episode[t]] - 1
                ahead = [min(t + h, last) for h in range(CHUNK)]
                assert batch.mask[row].tolist() == [t + h <= last for h in range(CHUNK)]
                assert torch.equal(
                    batch.actions[row], torch.from_numpy(source.actions[ahead].astype(np.float32))
                )
                state = source.states[t].astype(np.float32) if source.state else np.zeros(0, np.float32)
                assert torch.equal(batch.observation.state[row], torch.from_numpy(state))
                assert batch.observation.instruction[row] == source.tasks[int(source.task_of[t])]
                for v, camera in enumerate(wanted):
                    h, w = source.cameras[camera]
                    picture = batch.observation.images[row, v].float()
                    inner = round(size * min(h, w) / max(h, w))  # the rest is black
                    shade = picture.sum().item() / (3 * size * inner)
                    assert abs(shade - source.shades[camera][t]) < 1.9, (camera, t)
    finally:
        windows.close()
    assert seen == set(range(len(place)))


@dataclass(frozen=True)
class Bend:
    """One thing that some program does otherwise."""

    name: str
    source: dict[str, Any]
    """Fields of `Foreign` that differ."""
    change: Callable[[Path], Any] = lambda root: None
    """What is done to the files afterwards."""


def _vectors(kind: Callable[[pa.DataType], pa.DataType]) -> Callable[[np.ndarray], pa.Array]:
    return lambda x: pa.array(x.tolist(), kind(pa.from_numpy_dtype(x.dtype)))


def _tensors(x: np.ndarray) -> pa.Array:
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(x.dtype), [x.shape[1]])
    return pa.ExtensionArray.from_storage(
        kind, pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])
    )


def _index(name: str) -> Callable[[Path], Any]:
    """tasks.parquet as pandas writes a frame whose index has this name."""

    def change(table: pa.Table) -> pa.Table:
        table = table.rename_columns(["task_index", name])
        return table.replace_schema_metadata({b"pandas": json.dumps({"index_columns": [name]}).encode()})

    return lambda root: edit_table(root, TASKS, change)


def _cast(name: str, kind: pa.DataType, *files: str) -> Callable[[Path], Any]:
    def change(root: Path) -> None:
        for file in files:
            edit_column(root, file, name, lambda values: pa.array(values, kind))

    return change


def _linked(root: Path) -> None:
    (root / "data/chunk-000").rename(root / "data/real")
    (root / "data/chunk-000").symlink_to("real")
    edit_table(root, EPISODES, lambda table: table.drop(["data/chunk_index", "data/file_index"]))


def _with_path_only(root: Path) -> None:
    for file in (FIRST, SECOND):
        for row, stored in enumerate(foreign.pq.read_table(root / file)[TOP].to_pylist()):
            place = root / "images" / Path(file).stem / f"{row}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(stored["bytes"])
        edit_column(
            root, file, TOP,
            lambda v, file=file: pa.array(
                [{"bytes": None, "path": f"images/{Path(file).stem}/{i}.png"} for i in range(len(v))],
                pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            ),
        )  # fmt: skip


def _feature(key: str, **changes: Any) -> Callable[[Path], Any]:
    return lambda root: edit_info(root, lambda info: info["features"][key].update(changes))


def _hidden(root: Path) -> None:
    for file in (FIRST, EPISODES):
        copy = (root / file).parent / ".ipynb_checkpoints" / "file-000-checkpoint.parquet"
        copy.parent.mkdir()
        shutil.copy(root / file, copy)
        (root / file).with_name("._file-000.parquet").write_bytes(b"AppleDouble")
    edit_table(root, EPISODES, lambda table: table.drop(["data/chunk_index", "data/file_index"]))


def _more_columns(root: Path) -> None:
    for file in (FIRST, SECOND):
        edit_table(
            root, file,
            lambda t: t.append_column("next.reward", pa.array([0.5] * len(t)))
            .append_column("note", pa.array(["x"] * len(t)))
            .append_column("__index_level_0__", pa.array(range(len(t)))),
        )  # fmt: skip
    edit_info(root, lambda i: i["features"].update(note={"dtype": "string", "shape": [1], "names": None}))


def _depth(**info: Any) -> Callable[[Path], Any]:
    """The wrist camera shows distances."""
    return _feature(WRIST, info=info)


FINE = [
    Bend("as it is", {}),
    Bend("sentences in the column task", {"sentence_column": "task"}),
    Bend("an index of another name", {}, _index("instruction")),
    Bend("long strings", {}, _cast("__index_level_0__", pa.large_string(), TASKS)),
    Bend("categories", {}, _cast("__index_level_0__", pa.dictionary(pa.int8(), pa.string()), TASKS)),
    Bend("numbers of tasks with gaps", {"tasks": {7: "close it", 3: "open it"}}),
    Bend("tasks that no frame has", {"tasks": {0: "a", 1: "b", 2: "c", 3: "d"}}),
    Bend("two numbers of one sentence", {"tasks": {0: "same", 1: "same", 2: "other"}}),
    Bend("numbers of tasks as floats", {}, _cast("task_index", pa.float64(), TASKS, FIRST, SECOND)),
    Bend("short numbers", {}, _cast("index", pa.int32(), FIRST, SECOND)),
    Bend("an empty sentence", {"tasks": {0: "", 1: "pick it"}}),
    Bend("fps as float", {}, lambda r: edit_info(r, lambda i: i.update(fps=10.0, total_frames=22.0))),
    Bend("shapes as floats", {}, _feature("action", shape=[2.0])),
    Bend("lists", {"lists": _vectors(pa.list_)}),
    Bend("large lists", {"lists": _vectors(pa.large_list)}),
    Bend("tensors", {"lists": _tensors}),
    Bend("double precision", {"dtype": "float64"}),
    Bend("half precision", {"dtype": "float16"}),
    Bend("no names", {"names": False}),
    Bend("names by place", {}, _feature("action", names={"dy": 1, "dx": 0})),
    Bend("no state", {"state": False}),
    Bend("episodes in another order", {}, lambda r: edit_table(r, EPISODES, lambda t: t.take([2, 0, 1]))),
    Bend(
        "no places of the data", {}, lambda r: edit_table(r, EPISODES, lambda t: t.drop(["data/file_index"]))
    ),
    Bend("hidden copies", {}, _hidden),
    Bend("a copy", {}, lambda r: shutil.copy(r / FIRST, r / "data/chunk-000/file-000 (1).parquet")),
    Bend("a linked folder", {}, _linked),
    Bend("more columns", {}, _more_columns),
    Bend(
        "no times", {}, lambda r: [edit_table(r, f, lambda t: t.drop(["timestamp"])) for f in (FIRST, SECOND)]
    ),
    Bend(
        "no ends in the video",
        {},
        lambda r: edit_table(r, EPISODES, lambda t: t.drop([f"videos/{TOP}/to_timestamp"])),
    ),
    Bend(
        "videos that go on",
        {},
        lambda r: edit_column(r, EPISODES, f"videos/{WRIST}/to_timestamp", lambda x: [v + 0.3 for v in x]),
    ),
    Bend("no number of tasks", {}, lambda r: edit_info(r, lambda i: i.pop("total_tasks"))),
    Bend(
        "times with rounding", {}, lambda r: edit_column(r, EPISODES, PLACE, lambda x: [v + 3e-4 for v in x])
    ),
    Bend("an episode of one frame", {"lengths": (9, 1, 7)}),
    Bend("fragmented videos", {"movflags": "frag_keyframe+empty_moov"}),
    Bend("channels first", {}, _feature(TOP, shape=[3, 48, 64], names=["channels", "height", "width"])),
    Bend("channels first, unnamed", {}, _feature(TOP, shape=[3, 48, 64], names=None)),
    Bend("another key of a camera", {"cameras": {"observation.image": (48, 64)}}),
    Bend("images", {"images": (TOP, WRIST)}),
    Bend("images beside a video", {"images": (WRIST,)}),
    Bend(
        "images as bytes",
        {"images": (TOP,)},
        lambda r: [
            edit_column(r, f, TOP, lambda v: pa.array([x["bytes"] for x in v])) for f in (FIRST, SECOND)
        ],
    ),
    Bend("images as files of the dataset", {"images": (TOP,)}, _with_path_only),
    Bend(
        "grey images",
        {"images": (TOP,)},
        lambda r: [
            edit_column(r, f, TOP, lambda v: [{"bytes": _mode(x["bytes"], "L"), "path": ""} for x in v])
            for f in (FIRST, SECOND)
        ],
    ),
    Bend(
        "images with alpha",
        {"images": (TOP,)},
        lambda r: [
            edit_column(r, f, TOP, lambda v: [{"bytes": _mode(x["bytes"], "RGBA"), "path": ""} for x in v])
            for f in (FIRST, SECOND)
        ],
    ),
]


def _mode(stored: bytes, mode: str) -> bytes:
    import io

    from PIL import Image

    return foreign.png(np.asarray(Image.open(io.BytesIO(stored))), mode)


@pytest.mark.parametrize("bend", FINE, ids=lambda bend: bend.name)
def test_every_window_is_the_rule_spelled_out(bend: Bend, tmp_path: Path) -> None:
    source = Foreign(**bend.source)
    source.write(tmp_path / "data")
    bend.change(tmp_path / "data")
    check_windows(tmp_path / "data", [source])


@pytest.mark.parametrize(
    "info", [{"is_depth_map": True}, {"video.is_depth_map": True}, {"video.pix_fmt": "gray12le"}]
)
def test_a_depth_camera_is_left_out_and_named(info: dict[str, Any], tmp_path: Path) -> None:
    source = Foreign()
    source.write(tmp_path / "data")
    _depth(**info)(tmp_path / "data")
    check_windows(tmp_path / "data", [source], [TOP])
    assert open_data(tmp_path / "data").left_out == (WRIST,)


def _pointer(file: str) -> Callable[[Path], Any]:
    return lambda root: (root / file).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"
    )


def _column(file: str, name: str, values: Callable[[list[Any]], Any]) -> Callable[[Path], Any]:
    return lambda root: edit_column(root, file, name, values)


def _slower(root: Path) -> None:
    source = Foreign()
    pictures = [source.picture(TOP, t) for t in range(15)]
    foreign.write_mp4(root / foreign.video_path(TOP), pictures, 5)


def _larger(root: Path) -> None:
    foreign.write_mp4(root / foreign.video_path(TOP), [np.zeros((64, 64, 3), np.uint8)] * 15, 10)


def _both(*changes: Callable[[Path], Any]) -> Callable[[Path], Any]:
    return lambda root: [change(root) for change in changes]


NO_ENDS = f"videos/{TOP}/to_timestamp"
FAULTS: list[tuple[Bend, str]] = [
    (
        Bend("no sentence", {}, _column(TASKS, "__index_level_0__", lambda v: [None, "x"])),
        "no sentence for task 0",
    ),
    (
        Bend("no sentences", {}, _column(TASKS, "__index_level_0__", lambda v: [None, None])),
        "no sentence for task 0",
    ),
    (Bend("two sentences", {}, _column(TASKS, "task_index", lambda v: [0, 0])), "two sentences for task 0"),
    (Bend("an unknown task", {}, _column(TASKS, "task_index", lambda v: [0, 5])), "have task_index 1, which"),
    (
        Bend("half a task", {}, _column(FIRST, "task_index", lambda v: [0.5] * len(v))),
        "'task_index' that is not a whole",
    ),
    (
        Bend("no task", {}, _column(FIRST, "task_index", lambda v: [None] * len(v))),
        "empty values in 'task_index'",
    ),
    (
        Bend("tasks without a number", {}, lambda r: edit_table(r, TASKS, lambda t: t.drop(["task_index"]))),
        "no column 'task_index'",
    ),
    (
        Bend(
            "sentences in doubt",
            {},
            lambda r: edit_table(
                r,
                TASKS,
                lambda t: t.rename_columns(["task_index", "a"]).append_column("b", pa.array(["x", "y"])),
            ),
        ),
        "no column 'task', and which of",
    ),
    (
        Bend("tasks of v2", {}, lambda r: (r / TASKS).rename(r / "meta/tasks.jsonl")),
        "tasks.jsonl .* converts",
    ),
    (
        Bend("no place", {}, _column(EPISODES, PLACE, lambda v: [0.0, None, 0.0])),
        "1 empty values in .*from_timestamp",
    ),
    (
        Bend("a place that is no number", {}, _column(EPISODES, PLACE, lambda v: [0.0, float("nan"), 0.0])),
        "episode 1 has no place .* at nan s",
    ),
    (
        Bend("a place before the video", {}, _column(EPISODES, PLACE, lambda v: [-0.1, 0.9, 0.0])),
        "episode 0 has no place .* at -0.1 s",
    ),
    (
        Bend("a negative file", {}, _column(EPISODES, f"videos/{TOP}/file_index", lambda v: [-1, 0, 1])),
        "but file -1 at 0.0 s",
    ),
    (
        Bend("a place between frames", {}, _column(EPISODES, PLACE, lambda v: [0.05, 0.95, 0.0])),
        "episode 0 begins between two frames",
    ),
    (
        Bend(
            "a place twice",
            {},
            _both(
                _column(EPISODES, PLACE, lambda v: [0.0, 0.5, 0.0]),
                lambda r: edit_table(r, EPISODES, lambda t: t.drop([NO_ENDS])),
            ),
        ),
        "two episodes at once: frames 0 to 8 and from 5 on",
    ),
    (
        Bend(
            "a place beyond the end",
            {},
            _both(
                _column(EPISODES, PLACE, lambda v: [0.0, 1.0, 0.0]),
                lambda r: edit_table(r, EPISODES, lambda t: t.drop([NO_ENDS])),
            ),
        ),
        "has 15 frames, but its episodes need 16",
    ),
    (
        Bend("another file", {}, _column(EPISODES, f"videos/{TOP}/file_index", lambda v: [0, 0, 7])),
        r"file-007\.mp4 does not exist",
    ),
    (
        Bend("no column of places", {}, lambda r: edit_table(r, EPISODES, lambda t: t.drop([PLACE]))),
        "has no column '.*from_timestamp'",
    ),
    (
        Bend("a time that is no number", {}, _column(FIRST, "timestamp", lambda v: [float("nan")] * len(v))),
        "has timestamp nan",
    ),
    (
        Bend("an end too early", {}, _column(EPISODES, NO_ENDS, lambda v: [0.5, 1.5, 0.7])),
        "9 frames at 10 Hz, but .* from 0 to 0.5 s",
    ),
    (Bend("a slower video", {}, _slower), "has 5 frames a second, but info.json says 10"),
    (
        Bend("another fps", {}, lambda r: edit_info(r, lambda i: i.update(fps=20))),
        "frame 1 is number 1 .* 20 Hz, but has timestamp 0.1",
    ),
    (
        Bend("a fraction of fps", {}, lambda r: edit_info(r, lambda i: i.update(fps=29.97))),
        "fps 29.97, which is not a whole",
    ),
    (Bend("a larger video", {}, _larger), "are 64 x 64, not 48 x 64"),
    (Bend("an empty video", {}, lambda r: (r / foreign.video_path(TOP)).write_bytes(b"")), "is damaged"),
    (Bend("videos not fetched", {}, _pointer(foreign.video_path(TOP))), "Git LFS's pointer.*hf download"),
    (Bend("data not fetched", {}, _pointer(FIRST)), "Git LFS's pointer.*git lfs pull"),
    (Bend("data missing", {}, lambda r: (r / SECOND).unlink()), "file-001.parquet does not exist"),
    (
        Bend("steps that do not count", {}, _column(FIRST, "frame_index", lambda v: [x + 1 for x in v])),
        "has frame_index 1",
    ),
    (
        Bend("an action that is text", {}, _column(FIRST, "action", lambda v: [["a", "b"]] * len(v))),
        "do not go together|string in 'action'",
    ),
    (
        Bend("actions of other lengths", {}, _column(FIRST, "action", lambda v: [[1.0]] * len(v))),
        "rows of 'action' that are not 2 long|do not go together",
    ),
    (
        Bend(
            "an action with a gap",
            {},
            _column(FIRST, "action", lambda v: pa.array([[1.0, None]] * len(v), pa.list_(pa.float32(), 2))),
        ),
        "empty values in 'action'",
    ),
    (
        Bend("no action", {}, lambda r: edit_info(r, lambda i: i["features"].pop("action"))),
        "has no feature 'action'",
    ),
    (Bend("depth alone", {"cameras": {WRIST: (32, 32)}}, _depth(is_depth_map=True)), "no camera with colors"),
    (
        Bend("v2.1", {}, lambda r: edit_info(r, lambda i: i.update(codebase_version="v2.1"))),
        "is a LeRobotDataset v2.1",
    ),
    (
        Bend(
            "images that are none",
            {"images": (TOP,)},
            _column(FIRST, TOP, lambda v: [{"bytes": b"png", "path": "a.png"}] * len(v)),
        ),
        "of frame 0 cannot be decoded",
    ),
    (
        Bend(
            "images left elsewhere",
            {"images": (TOP,)},
            _column(
                FIRST,
                TOP,
                lambda v: pa.array(
                    [{"bytes": None, "path": "/elsewhere/a.png"}] * len(v),
                    pa.struct({"bytes": pa.binary(), "path": pa.string()}),
                ),
            ),
        ),
        "only the name of a file, '/elsewhere/a.png'",
    ),
    (
        Bend(
            "images of distances",
            {"images": (TOP,)},
            _column(
                FIRST,
                TOP,
                lambda v: [{"bytes": foreign.png(np.zeros((48, 64), np.uint16)), "path": ""}] * len(v),
            ),
        ),
        "mode I.*depth map",
    ),
    (
        Bend(
            "images of another size",
            {"images": (TOP,)},
            _column(
                FIRST,
                TOP,
                lambda v: [{"bytes": foreign.png(np.zeros((8, 8, 3), np.uint8)), "path": ""}] * len(v),
            ),
        ),
        "is 8 x 8, but info.json says 48 x 64",
    ),
    (
        Bend(
            "images that are missing",
            {"images": (TOP,)},
            lambda r: edit_table(r, FIRST, lambda t: t.drop([TOP])),
        ),
        f"no column '{TOP}'",
    ),
]


@pytest.mark.parametrize(("bend", "message"), FAULTS, ids=lambda x: x.name if isinstance(x, Bend) else "")
def test_what_cannot_be_read_is_one_sentence_that_names_the_place(
    bend: Bend, message: str, tmp_path: Path
) -> None:
    root = Foreign(**bend.source).write(tmp_path / "data")
    bend.change(root)
    with pytest.raises(DatasetError, match=message) as error:
        frame_cache(open_data(root), 32, tmp_path / "cache")
    assert str(root) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_fingerprint_counts_what_is_linked_and_not_what_is_hidden(tmp_path: Path) -> None:
    root = Foreign().write(tmp_path / "data")
    plain = open_data(root).fingerprint
    (root / "data/.DS_Store").write_bytes(b"x")
    assert open_data(root).fingerprint == plain
    _linked(root)
    before = open_data(root).fingerprint
    edit_column(root, "data/real/file-000.parquet", "action", lambda v: [[1.0, 2.0]] * len(v))
    assert open_data(root).fingerprint != before


# Several datasets


def test_cameras_and_dimensions_of_several_datasets_are_matched_by_name(tmp_path: Path) -> None:
    first, second = Foreign(), Foreign(cameras={WRIST: (32, 32), TOP: (48, 64)}, seed=1)
    first.write(tmp_path / "all/a")
    root = second.write(tmp_path / "all/b")
    _feature("action", names=["dy", "dx"])(root)
    for file in (FIRST, SECOND):
        edit_column(root, file, "action", lambda v: [x[::-1] for x in v])
    check_windows(tmp_path / "all", [first, second])
    swapped = Foreign(cameras=second.cameras)
    swapped.write(tmp_path / "other/a")
    first.write(tmp_path / "other/b")
    assert open_data(tmp_path / "other").cameras == ("wrist", "top")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"cameras": {"observation.images.left": (48, 64), WRIST: (32, 32)}},
            "cameras .*'top', 'wrist'.*'left'",
        ),
        ({"cameras": {TOP: (48, 64)}}, "cameras"),
        ({"robot_type": "aloha"}, "robot type 'so100' and 'aloha'"),
        ({"fps": 5}, "fps 10 and 5"),
    ],
)
def test_datasets_that_are_of_different_things_are_not_mixed(change, message, tmp_path: Path) -> None:
    Foreign().write(tmp_path / "a")
    Foreign(**change).write(tmp_path / "b")
    with pytest.raises(DatasetError, match=f"do not fit together: .*{message}"):
        open_data(tmp_path)


def test_names_that_differ_are_not_mixed_and_those_that_are_missing_are_not_compared(tmp_path: Path) -> None:
    Foreign().write(tmp_path / "a")
    other = Foreign(robot_type=None, names=False).write(tmp_path / "b")
    assert open_data(tmp_path).action_names == ("dx", "dy")
    _feature("action", names=["dx", "dz"])(other)
    with pytest.raises(DatasetError, match=r"names of the action .*'dx', 'dy'.*'dx', 'dz'"):
        open_data(tmp_path)


def test_the_cache_of_another_order_of_cameras_is_another_one(tmp_path: Path) -> None:
    from vlasandbox.train.data.align import aligned

    root = Foreign().write(tmp_path / "data")
    dataset = open_data(root)
    turned = aligned(dataset, ("wrist", "top"), None, None)
    one, other = (frame_cache(data, 16, tmp_path / "cache").copy() for data in (dataset, turned))
    assert np.array_equal(one, other[:, ::-1])
    assert not np.array_equal(one, other)


def test_a_name_of_the_hub_without_a_network_is_answered_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    message = r"HF_HUB_OFFLINE is set.*hf download .*lerobot/pusht --local-dir datasets/pusht"
    with pytest.raises(DatasetError, match=message) as error:
        open_data("lerobot/pusht")
    assert "\n" not in str(error.value)
    (tmp_path / "datasets").mkdir()
    for no_name in ("no/such/folder", "datasets/misspelled", "one"):
        with pytest.raises(DatasetError, match=r"does not exist or is not a folder$"):
            open_data(no_name)


def test_a_dataset_in_the_cache_of_the_hub_is_read_through_its_links(tmp_path, monkeypatch) -> None:
    source = Foreign()
    source.write(tmp_path / "written")
    repository = tmp_path / "hub/datasets--somebody--robot"
    snapshot = repository / "snapshots" / ("a" * 40)
    (repository / "blobs").mkdir(parents=True)
    for number, path in enumerate(p for p in (tmp_path / "written").rglob("*") if p.is_file()):
        blob, link = repository / "blobs" / str(number), snapshot / path.relative_to(tmp_path / "written")
        path.rename(blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("a" * 40)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert open_data("somebody/robot").root.resolve() == snapshot.resolve()
    check_windows(snapshot, [source])
    before = open_data("somebody/robot").fingerprint
    edit_info(snapshot, lambda info: info.update(robot_type="another"))
    assert open_data("somebody/robot").fingerprint != before


def test_labels_of_a_camera_that_was_removed_go_with_it(tmp_path: Path) -> None:
    """LeRobot's remove_feature on a dataset of ours: meta/vlasandbox.json is lost, names stay."""
    from synthetic_episodes import write_dataset

    root = write_dataset(tmp_path / "data")
    before = open_data(root)
    assert before.target_uv is not None
    (root / "meta/vlasandbox.json").unlink()
    shutil.rmtree(root / "videos/observation.images.front")
    edit_info(root, lambda info: info["features"].pop("observation.images.front"))
    after = open_data(root)
    assert after.cameras == ("wrist",)
    assert after.target_uv is not None
    assert np.array_equal(after.target_uv[:, 0], before.target_uv[:, 1])
    edit_info(root, lambda i: i["features"]["privileged.target_uv"].update(names=["a", "b", "c", "d"]))
    assert open_data(root).target_uv is None
