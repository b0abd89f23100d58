"""Places of all pictures of a dataset, in videos or in the table, and whether they can be there."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...common.files import inside
from . import schema
from .files import AGAIN, DatasetError, check_pointer
from .parquet import column_names, row_groups
from .pictures import ImageRun, Run, VideoRun
from .video import DECODE_ERRORS, check_mp4

BETWEEN = 0.1
"""Farthest that a place in a video may be from a frame [frames]."""
SHORT = 1.0
"""Most by which an episode's time in a video may be shorter than its frames take [frames]; some videos go on
after the last one."""
RATE = 0.02
"""Largest relative difference between a video's rate and the dataset's."""

Episodes = dict[str, np.ndarray]


def find_runs(
    root: Path, info: dict[str, Any], keys: list[str], episodes: Episodes, data: Sequence[Path]
) -> list[Run]:
    """Places of the pictures of each camera of `keys`.

    Args:
        root: of the dataset.
        info: its info.json.
        keys: features of the cameras, in the order of views.
        episodes: columns of meta/episodes (see `reading.read_episodes`).
        data: the files with the frames, in their order.

    Raises:
        DatasetError: a file is missing, damaged or too short, or a place in it is impossible.
    """
    runs: list[Run] = []
    for camera, key in enumerate(keys):
        feature = info["features"][key]
        if feature["dtype"] == "video":
            runs += _in_videos(root, info, camera, key, episodes)
        else:
            runs += _in_table(root, camera, key, schema.image_size(feature), data)
    return runs


def _in_table(
    root: Path, camera: int, key: str, size: tuple[int, int], data: Sequence[Path]
) -> list[ImageRun]:
    runs, start = [], 0
    for path in data:
        if key not in column_names(path):
            raise DatasetError(f"{path} has no column {key!r}, whose images info.json lists")
        for group, rows in enumerate(row_groups(path)):
            runs.append(ImageRun(camera, path, start, rows, key, group, size, root))
            start += rows
    return runs


def _in_videos(root: Path, info: dict[str, Any], camera: int, key: str, episodes: Episodes) -> list[VideoRun]:
    fps, template = info["fps"], info.get("video_path") or schema.VIDEO_PATH
    column = {name: episodes[f"videos/{key}/{name}"] for name in schema.PLACE}
    ends = episodes.get(f"videos/{key}/to_timestamp")
    runs: list[VideoRun] = []
    for i, (start, length) in enumerate(zip(episodes["dataset_from_index"], episodes["length"], strict=True)):
        chunk, file = int(column["chunk_index"][i]), int(column["file_index"][i])
        begin = float(column["from_timestamp"][i])
        episode = f"{root}: episode {int(episodes['episode_index'][i])}"
        if min(chunk, file) < 0 or not 0 <= begin < np.inf:
            raise DatasetError(
                f"{episode} has no place in the video of {key!r}, but file {file} at {begin} s"
            )
        try:
            path = inside(root, schema.filled(template, key, chunk, file))
        except ValueError as error:
            raise DatasetError(f"{root / schema.INFO} has an impossible video_path: {error}") from None
        first = round(begin * fps)
        if abs(begin * fps - first) > BETWEEN:
            raise DatasetError(
                f"{episode} begins between two frames of the video of {key!r}: at {begin:g} s, at {fps} Hz"
            )
        if ends is not None and not (float(ends[i]) - begin) * fps >= length - SHORT:
            raise DatasetError(
                f"{episode} has {length} frames at {fps} Hz, but the video of {key!r} is said to show it "
                f"from {begin:g} to {float(ends[i]):g} s alone"
            )
        runs.append(VideoRun(camera, path, int(start), int(length), first))
    _check_files(runs, fps, schema.image_size(info["features"][key]))
    return runs


def _check_files(runs: list[VideoRun], fps: int, size: tuple[int, int]) -> None:
    """Checks that the files are whole, of the right size and rate, and long enough, and no frame is two's."""
    files: dict[Path, list[VideoRun]] = defaultdict(list)
    for run in runs:
        files[run.path].append(run)
    for path, parts in files.items():
        if not path.exists():
            raise DatasetError(f"{path} does not exist")
        check_pointer(path)
        try:
            video = check_mp4(path, *size)
        except DECODE_ERRORS as error:
            raise DatasetError(f"{path} is damaged ({error}): {AGAIN}") from None
        needed = max(run.first + run.length for run in parts)
        if video.frames < needed:
            raise DatasetError(f"{path} has {video.frames} frames, but its episodes need {needed}: {AGAIN}")
        if video.rate is not None and abs(video.rate / fps - 1) > RATE:
            raise DatasetError(
                f"{path} has {video.rate:g} frames a second, but info.json says {fps}: its pictures are not "
                "those of the frames"
            )
        for one, other in pairwise(sorted(parts, key=lambda run: run.first)):
            if other.first < one.first + one.length:
                raise DatasetError(
                    f"{path} is said to show two episodes at once: frames {one.first} to "
                    f"{one.first + one.length - 1} and from {other.first} on"
                )
