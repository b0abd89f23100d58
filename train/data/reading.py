"""Reads and checks the files of a LeRobotDataset v3.0; every error is one sentence that names the file."""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...common.errors import InputError
from ...common.files import check_digests, inside, unsealed
from . import schema
from .files import AGAIN, DatasetError, read_json
from .parquet import checked_place, files_below, read_tables, vectors, whole_numbers

_COUNTS = ("fps", "total_episodes", "total_frames")
_INFO_KEYS = ("codebase_version", "features", *_COUNTS)
_OUR_KEYS = ("settings", "spec", "versions", "failed_seeds", "episodes")
_VECTORS = (
    schema.STATE, schema.ACTION, schema.REFERENCE, schema.COMMAND, schema.TARGET_UV, schema.TARGET_XYZ,
    schema.CHUNK,
)  # fmt: skip
_OF_ROLLOUTS = (schema.PROGRESS, schema.REWARD, schema.SOURCE, schema.SUCCESS, schema.CHUNK_STEPS)
"""Columns of our rollouts; those of other programs mean something else."""

ASIDE = 0.1
"""Farthest that a frame's time may be from its number divided by fps [frames]."""


def check_info(root: Path, info: Any) -> None:
    """Refuses an info.json that is incomplete, of another version, or of a dataset unfit for training."""
    path = root / schema.INFO
    missing = [key for key in _INFO_KEYS if not isinstance(info, dict) or key not in info]
    if missing:
        raise DatasetError(f"{path} has no {', '.join(missing)}")
    version = str(info["codebase_version"])
    if not version.startswith("v3."):
        raise DatasetError(
            f"{root} is a LeRobotDataset {version}, but {schema.VERSION} is needed "
            "(LeRobot converts it: python -m lerobot.scripts.convert_dataset_v21_to_v30)"
        )
    for key in _COUNTS:
        info[key] = schema.whole(info[key])
        if not isinstance(info[key], int) or isinstance(info[key], bool) or info[key] <= 0:
            raise DatasetError(f"{path} has {key} {info[key]!r}, which is not a whole number > 0")
    if not isinstance(info.get("video_path", ""), str | None):
        raise DatasetError(f"{path} has video_path {info['video_path']!r}, which is not a path")
    table = info["features"]
    if not isinstance(table, dict) or not all(map(_is_feature, table.values())):
        raise DatasetError(f"{path} has features that lack a dtype or a shape")
    if schema.ACTION not in table:
        raise DatasetError(f"{root} has no feature {schema.ACTION!r}, only {sorted(table)}")
    keys = schema.camera_keys(table)
    if not keys:
        raise DatasetError(
            f"{root} has no camera with colors (dtype video or image), only the features {sorted(table)}"
        )
    dims = {key: 3 for key in keys} | dict.fromkeys(_VECTORS, 1)
    for key, rank in dims.items():
        if key in table and len(table[key]["shape"]) != rank:
            raise DatasetError(
                f"{path} has {key!r} of shape {table[key]['shape']}, but {rank} numbers are needed"
            )


def _is_feature(feature: Any) -> bool:
    if not isinstance(feature, dict) or not isinstance(feature.get("dtype"), str):
        return False
    shape = feature.get("shape")
    if not isinstance(shape, list):
        return False
    shape[:] = map(schema.whole, shape)
    return bool(shape) and all(isinstance(x, int) and not isinstance(x, bool) and x > 0 for x in shape)


def read_recording(root: Path) -> dict[str, Any] | None:
    """Content of meta/vlasandbox.json; None if the dataset is not ours."""
    path = checked_place(root, root / schema.OURS)
    if not path.exists():
        return None
    try:
        ours = unsealed(read_json(path))
    except DatasetError:
        raise
    except ValueError as error:
        raise DatasetError(f"{path} cannot be used ({error}): {AGAIN}") from None
    missing = [
        key for key in _OUR_KEYS if not isinstance(ours, dict) or not isinstance(ours.get(key), list | dict)
    ]
    if missing:
        raise DatasetError(f"{path} is damaged (it has no {', '.join(missing)}): {AGAIN}")
    entries = ours["episodes"]
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and type(e.get("seed")) is int for e in entries
    ):
        raise DatasetError(f"{path} is damaged (an episode has no seed): {AGAIN}")
    space = ours["spec"].get("action_space")
    if not isinstance(space, dict) or not isinstance(space.get("name"), str):
        raise DatasetError(f"{path} is damaged (it does not name the action space): {AGAIN}")
    return ours


def verify(root: Path, recording: dict[str, Any] | None, *, videos: bool = False) -> None:
    """Compares the files of a dataset of ours with their checksums; datasets had none at first.

    Args:
        videos: whether to read the videos too, which are most of it.

    Raises:
        DatasetError: a file is missing, or has another content.
    """
    listed = (recording or {}).get("files", {})
    try:
        check_digests(root, {n: x for n, x in listed.items() if videos or not n.startswith("videos/")})
    except (OSError, ValueError, AttributeError) as error:
        way = f"{AGAIN} (if another program changed it on purpose, delete {root / schema.OURS})"
        raise DatasetError(f"{error}: {way}") from None


def check_spec(root: Path, info: dict[str, Any], spec: dict[str, Any], where: str) -> None:
    """Refuses a dataset of ours whose info.json contradicts the environment that it says it comes from.

    Args:
        spec: the environment's description of itself.
        where: that was read.
    """
    space = spec["action_space"]
    fits = {
        **{name: _are_texts(spec.get(name)) for name in ("command_names", "state_names", "cameras")},
        "action_space.dims": _are_texts(space.get("dims")),
        "action_space.control_hz": _is_rate(space.get("control_hz")),
    }
    if where == schema.OURS:  # the features do not name it
        fits["task"] = isinstance(spec.get("task"), str)
    if wrong := [name for name, fit in fits.items() if not fit]:
        raise DatasetError(f"{root}: {where} is damaged (no usable {', '.join(wrong)}): {AGAIN}")
    table = info["features"]
    cameras = [key.removeprefix(schema.IMAGES) for key in schema.camera_keys(table)]
    pairs = {
        "fps": (info["fps"], spec.get("control_hz")),
        "cameras": (cameras, spec.get("cameras")),
        "state dimensions": (
            table[schema.STATE]["shape"][0] if schema.STATE in table else _length(spec.get("state_names")),
            _length(spec.get("state_names")),
        ),
        "action dimensions": (table[schema.ACTION]["shape"][0], _length(spec["action_space"].get("dims"))),
    }
    for name, (here, there) in pairs.items():
        if here != there:
            raise DatasetError(
                f"{root} is inconsistent: {name} {here!r} in {schema.INFO}, {there!r} in {where}"
            )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) for x in value)


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _length(names: Any) -> int | None:
    return len(names) if isinstance(names, list) else None


def read_episodes(root: Path, video_keys: list[str]) -> dict[str, np.ndarray]:
    """The columns of meta/episodes that say where each episode is, [e] each, ordered by episode_index."""
    numbers = ["episode_index", "dataset_from_index", "dataset_to_index"]
    numbers += [f"videos/{key}/{x}" for key in video_keys for x in schema.PLACE if x.endswith("_index")]
    times = [f"videos/{key}/from_timestamp" for key in video_keys]
    spare = ["data/chunk_index", "data/file_index", *(f"videos/{key}/to_timestamp" for key in video_keys)]
    table = read_tables(root, _some_files(root, "meta/episodes"), numbers + times, spare)
    where = root / "meta/episodes"
    columns = {}
    for name in table.column_names:
        if name.endswith("timestamp"):
            columns[name] = vectors(where, name, table[name], 1).reshape(len(table)).astype(np.float64)
        else:
            columns[name] = whole_numbers(where, name, table[name])
    order = np.argsort(columns["episode_index"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    columns["length"] = columns["dataset_to_index"] - columns["dataset_from_index"]
    return columns


def data_files(root: Path, info: dict[str, Any], episodes: dict[str, np.ndarray]) -> list[Path]:
    """The files with the frames, in their order: those that meta/episodes names, or all that there are."""
    template = info.get("data_path") or schema.DATA_PATH
    names = [episodes.get(f"data/{name}") for name in ("chunk_index", "file_index")]
    if any(column is None for column in names) or not isinstance(template, str):
        return _some_files(root, "data")
    pairs: Iterable[tuple[int, int]] = zip(*(column.tolist() for column in names), strict=True)  # type: ignore[union-attr]
    paths = []
    for chunk, file in dict.fromkeys(pairs):
        try:
            if min(chunk, file) < 0:
                raise InputError(f"file {file} of chunk {chunk}")
            paths.append(checked_place(root, inside(root, schema.filled(template, "", chunk, file))))
        except DatasetError:
            raise
        except ValueError as error:
            raise DatasetError(f"{root / schema.INFO} has an impossible data_path: {error}") from None
    return paths


def read_frames(root: Path, info: dict[str, Any], paths: list[Path]) -> dict[str, np.ndarray]:
    """The data columns that training uses, as far as info.json lists them, [n] or [n, d] each."""
    features = info["features"]
    ours = _OF_ROLLOUTS if schema.PROGRESS in features else ()
    names = [name for name in (*_VECTORS, schema.PERTURBED, *ours) if name in features]
    numbers = ["index", "episode_index", "task_index"]
    table = read_tables(root, paths, names + numbers, ["frame_index", schema.TIMESTAMP])
    frames = {name: vectors(root, name, table[name], features[name]["shape"][0]) for name in names}
    for name in (*numbers, "frame_index"):
        if name in table.column_names:
            frames[name] = whole_numbers(root, name, table[name])
    if schema.TIMESTAMP in table.column_names:
        frames[schema.TIMESTAMP] = vectors(root, schema.TIMESTAMP, table[schema.TIMESTAMP], 1).reshape(-1)
    return frames


def frame_matrix(root: Path, frames: dict[str, np.ndarray], name: str) -> np.ndarray | None:
    """The column `name` as float32 [n, d], None if there is none; every value finite."""
    if name not in frames:
        return None
    values = frames[name].reshape(len(frames[name]), -1).astype(np.float32)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise DatasetError(f"{root} has a value of {name!r} that is not finite, in frame {row}")
    return values


def check_counts(
    root: Path, info: dict[str, Any], starts: np.ndarray, lengths: np.ndarray, frames: dict[str, np.ndarray]
) -> None:
    """Refuses a dataset whose files disagree about how many frames and episodes there are."""
    rows = len(frames["index"])
    if rows != info["total_frames"]:
        raise DatasetError(
            f"{root} is inconsistent: {rows} frames in data, {info['total_frames']} in {schema.INFO}"
        )
    if len(starts) != info["total_episodes"]:
        raise DatasetError(
            f"{root} is inconsistent: {len(starts)} episodes in meta/episodes, "
            f"{info['total_episodes']} in {schema.INFO}"
        )
    if not np.array_equal(frames["index"], np.arange(rows)):
        raise DatasetError(
            f"{root} is inconsistent: the frames in data are not numbered 0 to {rows - 1} in order"
        )
    ends = starts + lengths
    if starts[0] != 0 or ends[-1] != rows or (lengths <= 0).any() or (starts[1:] != ends[:-1]).any():
        raise DatasetError(f"{root} is inconsistent: the episodes in meta/episodes do not follow each other")
    if not np.array_equal(frames["episode_index"], np.repeat(np.arange(len(starts)), lengths)):
        raise DatasetError(
            f"{root} is inconsistent: data and meta/episodes put frames into different episodes"
        )


def check_clock(
    root: Path, fps: int, starts: np.ndarray, lengths: np.ndarray, frames: dict[str, Any]
) -> None:
    """Refuses frames whose numbers and times within their episodes are not 0, 1, 2, ... and that over fps:
    pictures are found by the time, and chunks of actions are executed at fps."""
    steps = np.arange(len(frames["index"])) - np.repeat(starts, lengths)
    for name, expected, allowed in (
        ("frame_index", steps, 0.0),
        (schema.TIMESTAMP, steps / fps, ASIDE / fps),
    ):
        wrong = np.flatnonzero(~(np.abs(frames.get(name, expected) - expected) <= allowed))  # NaN is wrong
        if len(wrong):
            row = int(wrong[0])
            raise DatasetError(
                f"{root} is inconsistent: frame {row} is number {steps[row]} of its episode at {fps} Hz, but "
                f"has {name} {frames[name][row]:g}"
            )


def target_uv(root: Path, info: dict[str, Any], cameras: tuple[str, ...], uv: np.ndarray | None) -> Any:
    """The label of image coordinates [n, v, 2] for these cameras; None if it does not have all of them."""
    if uv is None:
        return None
    names = schema.dimension_names(info["features"][schema.TARGET_UV])
    wanted = [f"{camera}.{axis}" for camera in cameras for axis in "uv"]
    if names is None or not set(wanted) <= set(names):
        if names is None and uv.shape[1] == len(wanted):
            return uv.reshape(len(uv), -1, 2)
        print(f"{root}: {schema.TARGET_UV} is not of these cameras and is left out", file=sys.stderr)
        return None
    return uv[:, [names.index(name) for name in wanted]].reshape(len(uv), -1, 2)


def _some_files(root: Path, folder: str) -> list[Path]:
    paths = files_below(root, folder, ".parquet")
    if not paths:
        raise DatasetError(f"{root} has no parquet file in {folder}")
    return paths
