"""Reads and checks the files of a LeRobotDataset v3.0; every error is one sentence that names the file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...common.files import check_digests, inside, unsealed
from . import schema
from .files import DatasetError, read_json
from .video import DECODE_ERRORS, check_mp4

_INFO_KEYS = ("codebase_version", "fps", "features", "total_episodes", "total_frames", "total_tasks")
_OUR_KEYS = ("settings", "spec", "versions", "failed_seeds", "episodes")
_VECTORS = (
    schema.STATE, schema.ACTION, schema.REFERENCE, schema.COMMAND, schema.TARGET_UV, schema.TARGET_XYZ,
)  # fmt: skip
AGAIN = "copy the dataset again from where it is whole, or record it again into a new folder"

# pyarrow decodes the names of columns itself.
PARQUET_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)


@dataclass(frozen=True)
class VideoRun:
    """The stretch of one mp4 that shows one episode."""

    camera: int
    """Index of the view."""
    path: Path
    first: int
    """Frame of the file that shows the episode's first frame."""
    start: int
    """First frame of the episode in the dataset."""
    length: int
    """Frames of the episode."""


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
    for key in ("fps", "total_episodes", "total_frames", "total_tasks"):
        if not isinstance(info[key], int) or info[key] <= 0:
            raise DatasetError(f"{path} has {key} {info[key]!r}, which is not a whole number > 0")
    if not isinstance(info.get("video_path", ""), str | None):
        raise DatasetError(f"{path} has video_path {info['video_path']!r}, which is not a path")
    table = info["features"]
    if not isinstance(table, dict) or not all(map(_is_feature, table.values())):
        raise DatasetError(f"{path} has features that lack a dtype or a shape")
    for needed in (schema.STATE, schema.ACTION):
        if needed not in table:
            raise DatasetError(f"{root} has no feature {needed!r}, only {sorted(table)}")
    keys = schema.video_keys(table)
    if not keys:
        raise DatasetError(f"{root} has no camera stored as video, only the features {sorted(table)}")
    dims = {key: 3 for key in keys} | dict.fromkeys(_VECTORS, 1)
    for key, rank in dims.items():
        if key in table and len(table[key]["shape"]) != rank:
            raise DatasetError(
                f"{path} has {key!r} of shape {table[key]['shape']}, but {rank} numbers are needed"
            )
    if schema.TARGET_UV in table and table[schema.TARGET_UV]["shape"] != [2 * len(keys)]:
        raise DatasetError(
            f"{path} has {schema.TARGET_UV!r} that is not 2 numbers for each of {len(keys)} cameras"
        )


def _is_feature(feature: Any) -> bool:
    if not isinstance(feature, dict) or not isinstance(feature.get("dtype"), str):
        return False
    shape = feature.get("shape")
    return isinstance(shape, list) and all(isinstance(x, int) and x > 0 for x in shape)


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
        raise DatasetError(f"{path} cannot be used: {error}") from None
    missing = [
        key for key in _OUR_KEYS if not isinstance(ours, dict) or not isinstance(ours.get(key), list | dict)
    ]
    if missing:
        raise DatasetError(f"{path} is damaged: it has no {', '.join(missing)}")
    space = ours["spec"].get("action_space")
    if not isinstance(space, dict) or not isinstance(space.get("name"), str):
        raise DatasetError(f"{path} is damaged: it does not name the action space")
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
        raise DatasetError(f"{error}: {AGAIN}") from None


def check_spec(root: Path, info: dict[str, Any], spec: dict[str, Any]) -> None:
    """Refuses a dataset of ours whose info.json contradicts the environment that it says it comes from."""
    table = info["features"]
    cameras = [key.removeprefix(schema.IMAGES) for key in schema.video_keys(table)]
    pairs = {
        "fps": (info["fps"], spec.get("control_hz")),
        "cameras": (cameras, spec.get("cameras")),
        "state dimensions": (table[schema.STATE]["shape"][0], _length(spec.get("state_names"))),
        "action dimensions": (table[schema.ACTION]["shape"][0], _length(spec["action_space"].get("dims"))),
    }
    for name, (here, there) in pairs.items():
        if here != there:
            raise DatasetError(
                f"{root} is inconsistent: {name} {here!r} in {schema.INFO}, {there!r} in {schema.OURS}"
            )


def _length(names: Any) -> int | None:
    return len(names) if isinstance(names, list) else None


def read_episodes(root: Path, video_keys: list[str]) -> dict[str, np.ndarray]:
    """The columns of meta/episodes that say where each episode is, [e] each."""
    names = ["episode_index", "dataset_from_index", "dataset_to_index"]
    names += [
        f"videos/{key}/{x}" for key in video_keys for x in ("chunk_index", "file_index", "from_timestamp")
    ]
    table = _read(root, "meta/episodes", names)
    columns = {name: table[name].to_numpy() for name in names}
    columns["length"] = columns["dataset_to_index"] - columns["dataset_from_index"]
    return columns


def read_frames(root: Path, features: dict[str, Any]) -> dict[str, np.ndarray]:
    """The data columns that training uses, as far as `features` lists them, [n] or [n, d] each."""
    names = [name for name in (*_VECTORS, schema.PERTURBED) if name in features] + [
        "index",
        "episode_index",
        "task_index",
    ]
    table = _read(root, "data", names)
    return {name: _matrix(root, name, table[name].combine_chunks(), features) for name in names}


def _matrix(root: Path, name: str, column: pa.Array, features: dict[str, Any]) -> np.ndarray:
    if column.null_count:
        raise DatasetError(f"{root} has {column.null_count} empty values in {name!r}")
    kind = column.type
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        flat, width = column.flatten(), features[name]["shape"][0]
        if len(flat) != len(column) * width:
            raise DatasetError(
                f"{root} has rows of {name!r} that are not {width} long, as {schema.INFO} says"
            )
        return flat.to_numpy(zero_copy_only=False).reshape(len(column), width)
    return column.to_numpy(zero_copy_only=False)


def frame_matrix(root: Path, frames: dict[str, np.ndarray], name: str) -> np.ndarray | None:
    """The column `name` as float32 [n, d], None if there is none; every value finite."""
    if name not in frames:
        return None
    values = frames[name].reshape(len(frames[name]), -1).astype(np.float32)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise DatasetError(f"{root} has a value of {name!r} that is not finite, in frame {row}")
    return values


def read_tasks(root: Path) -> list[str]:
    """The instructions, by task_index."""
    path = checked_place(root, root / schema.TASKS)
    if not path.exists():
        raise DatasetError(f"{path} does not exist")
    table = _read_one(path, ["task_index", "task"])
    order = np.argsort(table["task_index"].to_numpy())
    names = table["task"].to_pylist()
    return [names[i] for i in order]


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


def find_runs(
    root: Path, info: dict[str, Any], keys: list[str], episodes: dict[str, np.ndarray]
) -> list[VideoRun]:
    """Where every episode's pictures are; checks that the video files are whole and long enough."""
    template = info.get("video_path") or schema.VIDEO_PATH
    runs: list[VideoRun] = []
    needed: dict[Path, int] = {}
    sizes: dict[Path, tuple[int, int]] = {}
    for camera, key in enumerate(keys):
        column = {x: episodes[f"videos/{key}/{x}"] for x in ("chunk_index", "file_index", "from_timestamp")}
        for i, (start, length) in enumerate(
            zip(episodes["dataset_from_index"], episodes["length"], strict=True)
        ):
            chunk, file = int(column["chunk_index"][i]), int(column["file_index"][i])
            try:
                path = inside(root, schema.filled(template, key, chunk, file))
            except ValueError as error:
                raise DatasetError(f"{root / schema.INFO} has an impossible video_path: {error}") from None
            first = round(float(column["from_timestamp"][i]) * info["fps"])
            runs.append(VideoRun(camera, path, first, int(start), int(length)))
            needed[path] = max(needed.get(path, 0), first + int(length))
            sizes[path] = schema.image_size(info["features"][key])
    for path, count in needed.items():
        if not path.exists():
            raise DatasetError(f"{path} does not exist")
        try:
            frames = check_mp4(path, *sizes[path])
        except DECODE_ERRORS as error:
            raise DatasetError(f"{path} is damaged: {error}") from None
        if frames < count:
            raise DatasetError(f"{path} has {frames} frames, but its episodes need {count}")
    return runs


def _read(root: Path, folder: str, names: list[str]) -> pa.Table:
    """All parquet files below `root`/`folder`, one after the other in the order of their names."""
    paths = parquet_files(root, folder)
    if not paths:
        raise DatasetError(f"{root} has no parquet file in {folder}")
    return pa.concat_tables((_read_one(path, names) for path in paths), promote_options="permissive")


def parquet_files(root: Path, folder: str) -> list[Path]:
    """All parquet files below `root`/`folder`, sorted; none of them is a link to somewhere else."""
    return [checked_place(root, path) for path in sorted((root / folder).rglob("*.parquet"))]


def checked_place(root: Path, path: Path) -> Path:
    """`path`, which lies in `root` unless links in the dataset lead elsewhere.

    Raises:
        DatasetError: they do.
    """
    try:
        return inside(root, path.relative_to(root).as_posix())
    except ValueError as error:
        raise DatasetError(f"{root} has a link that leads elsewhere: {error}") from None


def _read_one(path: Path, names: list[str]) -> pa.Table:
    try:
        # Checksums are there in what we wrote; another program's files are read without.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            missing = [name for name in names if name not in file.schema_arrow.names]
            if missing:
                raise DatasetError(f"{path} has no column {', '.join(map(repr, missing))}")
            table = file.read(columns=names)
            table.validate(full=True)
            return table
    except PARQUET_ERRORS as error:
        raise DatasetError(f"{path} is damaged: {error}") from None
