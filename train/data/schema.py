"""Names, shapes and places of LeRobotDataset v3.0, and what vlasandbox adds to it.

Sources: lerobot 0.6, `datasets/utils.py`, `datasets/feature_utils.py`, `datasets/dataset_writer.py`.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...common.errors import InputError
from ...envs.episode import Episode
from .video import VIDEO_INFO

VERSION = "v3.0"
CHUNK_SIZE = 1000
"""Files per chunk folder."""
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
OURS = "meta/vlasandbox.json"
"""Environment, expert noise, versions and seeds: what LeRobot has no place for."""
INITIAL_STATES = "meta/initial_states.npz"
"""`seeds` int64 [e] and `states` float64 [e, q]: the settled simulator state each episode starts from."""

STATE = "observation.state"
ACTION = "action"
IMAGES = "observation.images."
REFERENCE = "expert.reference"
COMMAND = "expert.command"
PERTURBED = "expert.perturbed"
TARGET_UV = "privileged.target_uv"
TARGET_XYZ = "privileged.target_xyz"
DONE = "next.done"
SUCCESS = "next.success"
TIMESTAMP = "timestamp"
MEANING = "vlasandbox"
"""Key in the `info` of the feature `action` under which `meaning` stands."""
_SPACE = {"name": str, "dims": list, "control_hz": int | float}
PLACE = ("chunk_index", "file_index", "from_timestamp")
"""Place of an episode in the video of a camera: columns videos/<camera>/... of meta/episodes."""
REWARD = "next.reward"
SOURCE = "rollout.source"
"""Source of each frame's action, see `envs.episode.SOURCES`; like all of `rollout`, only in rollouts."""
PROGRESS = "rollout.progress"
STAGE = "rollout.stage"
CHUNK = "expert.chunk"
"""Commands of the expert's next k actions, flat [k r]; where the expert was not asked, zeros."""
CHUNK_STEPS = "expert.chunk_steps"
COUNTERS = ("frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True)
class FileLimits:
    """A file is followed by a new one before it would grow past these sizes."""

    data_mb: float = 100
    """Parquet files [MB]."""
    video_mb: float = 200
    """Video files [MB]."""


def frames_per_second(control_hz: float) -> int:
    """The dataset's fps, which the format wants as a whole number [Hz].

    Raises:
        ValueError: `control_hz` is not a whole number.
    """
    if control_hz <= 0 or not float(control_hz).is_integer():
        raise InputError(f"control_hz {control_hz} cannot be stored: LeRobotDataset needs a whole number > 0")
    return int(control_hz)


def features(episode: Episode, spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The `features` of info.json for a dataset of episodes like this one.

    Args:
        spec: `spec_dict()` of the environment they come from; names the dimensions.
    """
    fps = frames_per_second(episode.control_hz)
    table: dict[str, dict[str, Any]] = {}
    for camera, frames in episode.images.items():
        height, width = frames.shape[1:3]
        info = {"video.height": height, "video.width": width, "video.fps": fps} | VIDEO_INFO
        table[IMAGES + camera] = {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": info,
        }
    views = [f"{camera}.{axis}" for camera in episode.images for axis in "uv"]

    def add(key: str, dtype: str, width: int, dims: list[str] | None) -> None:
        table[key] = {"dtype": dtype, "shape": [width], "names": dims}

    add(STATE, "float32", episode.state.shape[1], list(spec["state_names"]))
    add(ACTION, "float32", episode.action.shape[1], list(spec["action_space"]["dims"]))
    table[ACTION]["info"] = {MEANING: meaning(spec)}
    for key in (REFERENCE, COMMAND):
        add(key, "float32", episode.reference.shape[1], list(spec["command_names"]))
    add(PERTURBED, "bool", 1, None)
    add(TARGET_UV, "float32", len(views), views)
    add(TARGET_XYZ, "float32", 3, ["x", "y", "z"])
    add(DONE, "bool", 1, None)
    add(SUCCESS, "bool", 1, None)
    if episode.rollout is not None:
        add(REWARD, "float32", 1, None)
        add(SOURCE, "int64", 1, None)
        add(PROGRESS, "float32", 1, None)
        add(STAGE, "int64", 1, None)
        if episode.rollout.chunk is not None:
            names = [
                f"{name}.{i}" for i in range(episode.rollout.chunk.shape[1]) for name in spec["command_names"]
            ]
            add(CHUNK, "float32", len(names), names)
            add(CHUNK_STEPS, "int64", 1, None)
    add("timestamp", "float32", 1, None)
    for counter in COUNTERS:
        add(counter, "int64", 1, None)
    return table


def meaning(spec: dict[str, Any]) -> dict[str, Any]:
    """Part of an environment's `spec_dict()` that travels in `features`, which other programs keep when they
    split, merge or shorten datasets. They merge only what has equal features: nothing in it differs by task.
    """
    space = {name: x for name, x in spec["action_space"].items() if name not in ("low", "high")}
    shared = ("robot", "command_names", "state_names", "control_hz", "image_size")
    return {"action_space": space} | {name: spec[name] for name in shared if name in spec}


def stored_meaning(table: dict[str, dict[str, Any]], cameras: Sequence[str]) -> dict[str, Any] | None:
    """Part of a `spec_dict()` that `meaning` put into these features, with the present cameras; None if there
    is none."""
    info = table[ACTION].get("info")
    found = info.get(MEANING) if isinstance(info, dict) else None
    if not isinstance(found, dict):
        return None
    space = found.get("action_space")
    whole = isinstance(space, dict) and all(isinstance(space.get(x), y) for x, y in _SPACE.items())
    named = all(isinstance(found.get(name), list) for name in ("command_names", "state_names"))
    if not whole or not named or not isinstance(found.get("robot"), str):
        return None
    return found | {"cameras": list(cameras)}


def video_keys(table: dict[str, dict[str, Any]]) -> list[str]:
    """The features stored as mp4, in their order."""
    return [key for key, feature in table.items() if feature["dtype"] == "video"]


def camera_keys(table: dict[str, dict[str, Any]]) -> list[str]:
    """The features that are pictures in color, stored as mp4 or in the table, in their order."""
    return [key for key, feature in table.items() if is_picture(feature) and not is_depth(feature)]


def is_picture(feature: dict[str, Any]) -> bool:
    """Whether a feature is pictures of any kind."""
    return feature["dtype"] in ("video", "image")


def is_depth(feature: dict[str, Any]) -> bool:
    """Whether the pixels of a video or image feature are distances, as its `info` says."""
    info = feature.get("info") or feature.get("video_info") or {}
    if not isinstance(info, dict):
        return False
    said = info.get("is_depth_map") or info.get("video.is_depth_map")
    return bool(said) or str(info.get("video.pix_fmt", "")).startswith(("gray1", "grayf"))


def image_size(feature: dict[str, Any]) -> tuple[int, int]:
    """(height, width) of a video feature, whose shape some programs list channels first [px]."""
    names, shape = feature.get("names"), feature["shape"]
    if isinstance(names, list) and len(names) == 3 and {"height", "width"} <= set(map(str, names)):
        return shape[names.index("height")], shape[names.index("width")]
    if shape[0] in (1, 3) and shape[2] not in (1, 3):
        return shape[1], shape[2]
    return shape[0], shape[1]


def dimension_names(feature: dict[str, Any]) -> tuple[str, ...] | None:
    """Names of the numbers of a vector, if each has a name of its own.

    Programs write a list, a list under some title ({"motors": [...]}), or places by name ({"x": 0, ...}).
    """
    names: Any = feature.get("names")
    if isinstance(names, dict) and len(names) == 1 and isinstance(next(iter(names.values())), list):
        names = next(iter(names.values()))
    elif isinstance(names, dict) and sorted(map(str, names.values())) == sorted(map(str, range(len(names)))):
        names = sorted(names, key=lambda name: int(names[name]))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    fits = len(names) == feature["shape"][0] and len(set(names)) == len(names)
    return tuple(names) if fits else None


def whole(value: Any) -> Any:
    """`value` as an int if it is a whole number, which some programs write as 10.0; else itself."""
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def info(
    table: dict[str, dict[str, Any]],
    fps: int,
    robot: str,
    totals: dict[str, int],
    limits: FileLimits,
) -> dict[str, Any]:
    """The content of info.json; `totals` are the numbers of "episodes", "frames" and "tasks"."""
    return {
        "codebase_version": VERSION,
        "robot_type": robot,
        "total_episodes": totals["episodes"],
        "total_frames": totals["frames"],
        "total_tasks": totals["tasks"],
        "chunks_size": CHUNK_SIZE,
        "data_files_size_in_mb": math.ceil(limits.data_mb),
        "video_files_size_in_mb": math.ceil(limits.video_mb),
        "fps": fps,
        "splits": {"train": f"0:{totals['episodes']}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": table,
    }


_OWN = re.compile(
    r"meta/(info\.json|stats\.json|tasks\.parquet|vlasandbox\.json|initial_states\.npz"
    r"|episodes/chunk-\d{3,}/file-\d{3,}\.parquet)"
    r"|data/chunk-\d{3,}/file-\d{3,}\.parquet|videos/[\w.-]+/chunk-\d{3,}/file-\d{3,}\.mp4"
)


def is_own(name: str) -> bool:
    """Whether a dataset that we write has a file of this name, relative to its folder."""
    return _OWN.fullmatch(name) is not None and ".." not in name


_FIELD = re.compile(r"\{(?:(video_key)|(chunk_index|file_index)(?::(?:0?(\d))?d?)?)\}")


def filled(template: str, key: str, chunk: int, file: int) -> str:
    """Relative path that `video_path` of info.json gives; nothing but these three fields is filled in.

    Raises:
        ValueError: the template has something else in braces.
    """
    if re.search(r"[{}]", _FIELD.sub("", template)):
        raise InputError(f"{template!r} has more in braces than video_key, chunk_index and file_index")
    numbers = {"chunk_index": chunk, "file_index": file}
    return _FIELD.sub(
        lambda match: key if match[1] else f"{numbers[match[2]]:0{int(match[3] or 1)}d}", template
    )


def place(number: int) -> dict[str, int]:
    """Chunk and file index of the `number`-th file of its kind."""
    return {"chunk_index": number // CHUNK_SIZE, "file_index": number % CHUNK_SIZE}


def number_of(chunk_index: int, file_index: int) -> int:
    """Inverse of `place`."""
    return chunk_index * CHUNK_SIZE + file_index
