"""Finished episodes waiting to become a dataset: one small file each, whole or absent.

A recording that is killed leaves these files behind, and the next one goes on from them. Importing this
module loads neither torch nor pyarrow, because simulation workers use it.
"""

import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...common.files import flush, make_folder, whole
from ...envs.episode import Episode
from .files import DatasetError
from .schema import (
    ACTION,
    CHUNK,
    CHUNK_STEPS,
    COMMAND,
    DONE,
    IMAGES,
    PERTURBED,
    PROGRESS,
    REFERENCE,
    REWARD,
    SOURCE,
    STAGE,
    STATE,
    SUCCESS,
    TARGET_UV,
    TARGET_XYZ,
    features,
    frames_per_second,
)
from .stats import Stats, image_stats, to_lists, vector_stats
from .video import encode

FOLDER = ".recording"
"""Subfolder of a dataset for unfinished work; LeRobot does not look there."""

_NAME = re.compile(r"episode-(\d+)\.(npz|failed)")


@dataclass
class StagedEpisode:
    """An episode ready to be joined to a dataset: columns, encoded videos, statistics."""

    columns: dict[str, np.ndarray]
    """Per-frame features except the counters, [t] or [t, d]."""
    videos: dict[str, bytes]
    """An mp4 per video feature."""
    stats: dict[str, Stats]
    """Statistics per feature, except for counters."""
    spec: dict[str, Any]
    """Specification of the environment."""
    features: dict[str, dict[str, Any]]
    fps: int
    """[Hz]"""
    instruction: str
    seed: int
    success: bool
    initial_state: np.ndarray
    """Settled simulator state, float64 [q]."""
    about: dict[str, Any] = field(default_factory=dict)
    """Further facts about the episode, see `Episode.metadata`."""

    def __len__(self) -> int:
        return len(self.columns[ACTION])


def stage(root: Path, episode: Episode, spec: dict[str, Any], *, durable: bool = True) -> None:
    """Encodes `episode` and puts it into the staging folder of the dataset at `root`.

    Args:
        spec: `spec_dict()` of the environment it comes from.
        durable: whether to wait until it would survive a power cut; if not, `flush_staged` does.
    """
    fps = frames_per_second(episode.control_hz)
    last = np.arange(len(episode)) == len(episode) - 1
    columns = {
        STATE: episode.state,
        ACTION: episode.action,
        REFERENCE: episode.reference,
        COMMAND: episode.command,
        PERTURBED: episode.perturbed,
        TARGET_UV: episode.target_uv.reshape(len(episode), -1),
        TARGET_XYZ: episode.target_xyz,
        DONE: last,
        SUCCESS: last & episode.success,
        "timestamp": (np.arange(len(episode)) / fps).astype(np.float32),
    }
    if (rows := episode.rollout) is not None:
        columns |= {REWARD: rows.reward, SOURCE: rows.source, PROGRESS: rows.progress, STAGE: rows.stage}
        if rows.chunk is not None and rows.chunk_steps is not None:
            columns |= {CHUNK: rows.chunk.reshape(len(episode), -1), CHUNK_STEPS: rows.chunk_steps}
    stats = {IMAGES + camera: image_stats(frames) for camera, frames in episode.images.items()}
    stats |= {key: vector_stats(values) for key, values in columns.items()}
    header = {
        "spec": spec,
        "features": features(episode, spec),
        "fps": fps,
        "instruction": episode.instruction,
        "seed": episode.seed,
        "success": bool(episode.success),
        "stats": to_lists(stats),
        "about": episode.metadata.get("about", {}),
    }
    arrays = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "initial_state": episode.initial_state,
    }
    arrays |= {f"column/{key}": values for key, values in columns.items()}
    for camera, frames in episode.images.items():
        arrays[f"video/{IMAGES}{camera}"] = np.frombuffer(encode(frames, fps), np.uint8)
    make_folder(_folder(root))
    with whole(_path(root, episode.seed), durable=durable) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def flush_staged(root: Path, seed: int) -> None:
    """Makes what is staged for `seed` survive a power cut, if there is anything."""
    if _path(root, seed).exists():
        flush(_path(root, seed))
        flush(_folder(root))


def stage_failure(root: Path, seed: int) -> None:
    """Notes that the expert failed on `seed`, so that no later recording tries it again."""
    make_folder(_folder(root))
    _path(root, seed, "failed").touch()


def staged_seeds(root: Path) -> dict[int, bool]:
    """Every seed in the staging folder, in order, and whether its episode was kept.

    Raises:
        DatasetError: a link lies there, which may lead to any file.
    """
    paths = list(_folder(root).glob("episode-*"))
    if links := [path for path in paths if path.is_symlink()]:
        raise DatasetError(f"{links[0]} is a link, which no recording makes: delete it")
    found = (_NAME.fullmatch(path.name) for path in paths)
    return dict(sorted((int(name[1]), name[2] == "npz") for name in found if name))


def remove_damaged(root: Path) -> list[int]:
    """Deletes staged files that a full disk or a power cut left empty or cut off, so that their seeds are
    recorded again; returns these."""
    found = [seed for seed, success in staged_seeds(root).items() if success]
    damaged = [seed for seed in found if not zipfile.is_zipfile(_path(root, seed))]
    for seed in damaged:
        _path(root, seed).unlink(missing_ok=True)
    return damaged


def load_staged(root: Path, seed: int) -> StagedEpisode:
    """The staged episode of `seed`.

    Raises:
        DatasetError: the file is damaged; it is deleted, so that the seed is recorded again.
    """
    path = _path(root, seed)
    try:
        with np.load(path) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except Exception as error:  # zipfile, zlib and numpy each have their own way to say it
        if isinstance(error, OSError) and not path.exists():
            raise
        path.unlink(missing_ok=True)
        raise DatasetError(
            f"{path} was damaged ({error}) and is deleted: run the same command again, it records it anew"
        ) from None
    header = json.loads(arrays.pop("header").tobytes())
    stats = {
        key: {name: np.array(x) for name, x in block.items()} for key, block in header.pop("stats").items()
    }
    staged = StagedEpisode({}, {}, stats, initial_state=arrays.pop("initial_state"), **header)
    for key, values in arrays.items():
        kind, rest = key.split("/", 1)
        if kind == "column":
            staged.columns[rest] = values
        else:
            staged.videos[rest] = values.tobytes()
    return staged


def check_staged(root: Path, seed: int) -> None:
    """Checks that the staged episode of `seed` is what was written, by the checksums of the archive.

    Raises:
        DatasetError: it is damaged.
    """
    path, again = _path(root, seed), "delete it, and the same `vla record` records it again"
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # zipfile and zlib each have their own way to say it
        raise DatasetError(f"{path} is damaged ({error}): {again}") from None
    if damaged is not None:
        raise DatasetError(f"{path} is damaged (the checksum of {damaged} is another): {again}")


def remove_staged(root: Path, seeds: list[int]) -> None:
    """Deletes what is staged for `seeds`."""
    for seed in seeds:
        _path(root, seed).unlink(missing_ok=True)
        _path(root, seed, "failed").unlink(missing_ok=True)


def _folder(root: Path) -> Path:
    return root / FOLDER


def _path(root: Path, seed: int, suffix: str = "npz") -> Path:
    return _folder(root) / f"episode-{seed:07d}.{suffix}"
