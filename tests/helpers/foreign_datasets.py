"""LeRobotDatasets v3.0 as other programs write them (the layout of LeRobot 0.4 to 0.6), and what is in them.

Picture t of camera c is one shade of grey that tells both, so that a picture in a wrong place is noticed.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = "data/chunk-000/file-{:03d}.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
TASKS = "meta/tasks.parquet"
TOP, WRIST = "observation.images.top", "observation.images.wrist"


def video_path(key: str, file: int = 0) -> str:
    """Of a camera's file."""
    return f"videos/{key}/chunk-000/file-{file:03d}.mp4"


@dataclass
class Foreign:
    """A dataset to be written; everything that programs do differently is a field."""

    lengths: tuple[int, ...] = (9, 6, 7)
    files: tuple[int, ...] = (0, 0, 1)
    """Of each episode."""
    fps: int = 10
    cameras: dict[str, tuple[int, int]] = field(default_factory=lambda: {TOP: (48, 64), WRIST: (32, 32)})
    """Feature -> height and width."""
    images: tuple[str, ...] = ()
    """Cameras that are stored as images in the table."""
    tasks: dict[int, str] = field(default_factory=lambda: {0: "pick the cube", 1: "öffne die Schublade"})
    names: bool = True
    """Whether the numbers of state and action have names."""
    state: bool = True
    robot_type: str | None = "so100"
    dtype: str = "float32"
    lists: Callable[[np.ndarray], pa.Array] = lambda x: pa.FixedSizeListArray.from_arrays(
        pa.array(x.reshape(-1)), x.shape[1]
    )
    """A column of vectors."""
    sentence_column: str = "__index_level_0__"
    movflags: str = "faststart"
    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        n = sum(self.lengths)
        self.states = rng.normal(size=(n, 3)).astype(self.dtype)
        self.actions = rng.normal(size=(n, 2)).astype(self.dtype)
        self.episode = np.repeat(np.arange(len(self.lengths)), self.lengths)
        self.starts = np.cumsum([0, *self.lengths[:-1]])
        self.steps = np.arange(n) - self.starts[self.episode]
        numbers = sorted(self.tasks)
        self.task_of = np.array([numbers[e % len(numbers)] for e in self.episode])
        self.shades = {c: 30 + 4 * np.arange(n) + 100 * i for i, c in enumerate(sorted(self.cameras))}

    def picture(self, camera: str, frame: int) -> np.ndarray:
        """One camera's picture of one frame, uint8 [h, w, 3]."""
        return np.full((*self.cameras[camera], 3), self.shades[camera][frame], np.uint8)

    def write(self, root: Path) -> Path:
        """Writes all of it to the folder `root`."""
        self._write_data(root)
        self._write_videos(root)
        self._write_episodes(root)
        self._write_meta(root)
        return root

    def _write_data(self, root: Path) -> None:
        columns: dict[str, Any] = {"action": self.lists(self.actions)}
        if self.state:
            columns["observation.state"] = self.lists(self.states)
        for camera in self.images:
            stored = [
                {"bytes": png(self.picture(camera, t)), "path": f"frame-{t:06d}.png"}
                for t in range(len(self.steps))
            ]
            columns[camera] = pa.array(stored, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        columns |= {
            "timestamp": pa.array((self.steps / self.fps).astype(np.float32)),
            "frame_index": pa.array(self.steps),
            "episode_index": pa.array(self.episode),
            "index": pa.array(np.arange(len(self.steps))),
            "task_index": pa.array(self.task_of),
        }
        table = pa.table(columns)
        for file in sorted(set(self.files)):
            rows = np.flatnonzero(np.isin(self.episode, np.flatnonzero(np.array(self.files) == file)))
            path = root / DATA.format(file)
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.take(rows), path, row_group_size=5)

    def _write_videos(self, root: Path) -> None:
        for camera in self.cameras:
            for file in sorted(set(self.files)) if camera not in self.images else ():
                frames = np.flatnonzero(np.array(self.files)[self.episode] == file).tolist()
                pictures = [self.picture(camera, t) for t in frames]
                write_mp4(root / video_path(camera, file), pictures, self.fps, self.movflags)

    def _write_episodes(self, root: Path) -> None:
        e, lengths = range(len(self.lengths)), np.array(self.lengths)
        files = np.array(self.files)
        # In its own file each episode begins where those before it in that file end.
        begin = np.array([sum(lengths[j] for j in range(i) if files[j] == files[i]) for i in e])
        columns: dict[str, Any] = {
            "episode_index": list(e),
            "tasks": [[self.tasks[int(self.task_of[self.starts[i]])]] for i in e],
            "length": lengths,
            "data/chunk_index": [0] * len(e),
            "data/file_index": files,
            "dataset_from_index": self.starts,
            "dataset_to_index": self.starts + lengths,
        }
        for camera in self.cameras:
            if camera not in self.images:
                columns |= {
                    f"videos/{camera}/chunk_index": [0] * len(e),
                    f"videos/{camera}/file_index": files,
                    f"videos/{camera}/from_timestamp": begin / self.fps,
                    f"videos/{camera}/to_timestamp": (begin + lengths) / self.fps,
                }
        path = root / EPISODES
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)

    def _write_meta(self, root: Path) -> None:
        tasks = {"task_index": list(self.tasks), self.sentence_column: list(self.tasks.values())}
        pq.write_table(pa.table(tasks), root / TASKS)
        features: dict[str, Any] = {
            camera: {
                "dtype": "image" if camera in self.images else "video",
                "shape": [h, w, 3],
                "names": ["height", "width", "channels"],
                "info": {"video.fps": self.fps, "video.pix_fmt": "yuv420p", "is_depth_map": False},
            }
            for camera, (h, w) in self.cameras.items()
        }

        def vector(dims: list[str]) -> dict[str, Any]:
            names = {"motors": dims} if self.names else None
            return {"dtype": self.dtype, "shape": [len(dims)], "names": names}

        if self.state:
            features["observation.state"] = vector(["pan", "lift", "gripper"])
        features["action"] = vector(["dx", "dy"])
        features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
        for name in ("frame_index", "episode_index", "index", "task_index"):
            features[name] = {"dtype": "int64", "shape": [1], "names": None}
        info = {
            "codebase_version": "v3.0",
            "robot_type": self.robot_type,
            "total_episodes": len(self.lengths),
            "total_frames": len(self.steps),
            "total_tasks": len(self.tasks),
            "chunks_size": 1000,
            "fps": self.fps,
            "splits": {"train": f"0:{len(self.lengths)}"},
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
            "features": features,
        }
        (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")


def png(picture: np.ndarray, mode: str | None = None) -> bytes:
    """The picture as a PNG, in another mode of PIL if one is given."""
    from PIL import Image

    image, buffer = Image.fromarray(picture), io.BytesIO()
    (image if mode is None else image.convert(mode)).save(buffer, "PNG")
    return buffer.getvalue()


def write_mp4(path: Path, pictures: list[np.ndarray], fps: int, movflags: str = "faststart") -> None:
    """A video as LeRobot's encoder makes it: yuv420p, a key frame every second frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Fragments have no list of edits, by which frames in another order begin at 0 all the same.
    options = {"crf": "18", "g": "2"} | ({"bf": "0"} if "frag" in movflags else {})
    with av.open(str(path), "w", options={"movflags": movflags}) as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def edit_info(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes info.json in place."""
    path = root / "meta/info.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    change(info)
    path.write_text(json.dumps(info), encoding="utf-8")


def edit_column(root: Path, file: str, name: str, change: Callable[[list[Any]], Any]) -> None:
    """Puts what `change` makes of a column's values into its place."""
    path = root / file
    table = pq.read_table(path)
    new = change(table[name].to_pylist())
    table = table.set_column(
        table.column_names.index(name), name, new if isinstance(new, pa.Array) else pa.array(new)
    )
    pq.write_table(table, path)


def edit_table(root: Path, file: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Changes a table in place."""
    pq.write_table(change(pq.read_table(root / file)), root / file)
