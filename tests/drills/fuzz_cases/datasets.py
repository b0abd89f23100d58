"""Datasets, each kind of file with its checksums and without; recordings that wait; frame caches."""

import hashlib
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from synthetic_episodes import SETTINGS, SPEC, drop_checksums, synthetic_episode, write_dataset

from vlasandbox.train.config import DataConfig
from vlasandbox.train.data import commit
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.commit import Committed
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.windows import WindowSampler
from vlasandbox.train.data.writer import DatasetWriter

from ..fuzz import FuzzCase
from ..spoiling import after, any_file, any_json, one_of


def _make(folder: Path) -> None:
    write_dataset(folder / "data")


def _content(dataset: Dataset, frames: np.ndarray) -> dict[str, Any]:
    """All that a training can see of it."""
    columns = {name: value for name, value in vars(dataset).items() if isinstance(value, np.ndarray)}
    found: dict[str, Any] = {
        name: hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest() for name, x in columns.items()
    }
    found |= {"frames": hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()}
    found |= {"tasks": dataset.tasks, "fps": dataset.fps, "cameras": dataset.cameras}
    return found | {"spec": dataset.spec_dict, "sizes": dataset.image_sizes}


def _read(folder: Path) -> Any:
    dataset = Dataset.open(folder / "data")
    dataset.fingerprint  # noqa: B018, which reads all files
    frames = frame_cache(dataset, 16, folder / "frames")
    return _content(dataset, frames)


def _read_to_convert(folder: Path) -> Any:
    """Reads it as a training does whose actions are others than those recorded."""
    dataset = Dataset.open(folder / "data")
    frames = frame_cache(dataset, 16, folder / "frames")
    config = DataConfig(folder / "data", chunk=3)
    with closing(WindowSampler(dataset, frames, config.chunk, 4, 0, "ee_absolute")) as sampler:
        batch = sampler.batch(0)
    return _content(dataset, frames) | {"actions": batch.actions.numpy().tobytes().hex()}


def _read_to_grow(folder: Path) -> Any:
    """Reads what adding an episode reads."""
    dataset = Dataset.open(folder / "data")
    before = Committed.load(folder / "data")
    states = [np.asarray(x).tobytes().hex() for x in before.initial_states]
    writer = DatasetWriter(folder / "data", SETTINGS)
    writer.add_episode(synthetic_episode(9), SPEC)
    writer.commit()
    return {"seeds": before.seeds, "states": states, "n": len(dataset)}


def _make_waiting(folder: Path) -> None:
    """A dataset of one episode, to which two were being added when a kill came; two more wait."""
    write_dataset(folder / "data", seeds=(0,))
    writer = DatasetWriter(folder / "data", SETTINGS)
    for seed in (1, 2):
        writer.add_episode(synthetic_episode(seed), SPEC)
    with patch.object(commit, "recover"), patch("vlasandbox.train.data.writer.remove_staged"):
        writer.commit()
    for seed in (3, 4):
        writer.add_episode(synthetic_episode(seed), SPEC)


def _go_on(folder: Path) -> Any:
    writer = DatasetWriter(folder / "data", SETTINGS)
    for seed in set(range(5)) - set(writer.outcomes()):
        writer.add_episode(synthetic_episode(seed), SPEC)
    writer.commit()
    shutil.rmtree(folder / "frames", ignore_errors=True)
    return _read(folder)


def _make_frames(folder: Path) -> None:
    _make(folder)
    frame_cache(Dataset.open(folder / "data"), 16, folder / "frames")


def _without(folder: Path) -> None:
    drop_checksums(folder / "data")


INFO, OURS = "data/meta/info.json", "data/meta/vlasandbox.json"
TABLES = ("data/data/**/*.parquet", "data/meta/**/*.parquet")
VIDEOS = ("data/videos/**/*.mp4",)
BESIDES = ("data/meta/stats.json", "data/meta/initial_states.npz")


def _case(spoil: Any, inputs: int, read: Any = _read, make: Any = _make, **more: Any) -> FuzzCase:
    return FuzzCase(make, spoil, read, inputs, **more)


CASES = {
    "dataset info.json": _case(
        one_of([any_file(INFO), *[after(_without, any_json(INFO, sealed=False))] * 3]), 400
    ),
    "dataset vlasandbox.json": _case(
        one_of(
            [
                any_file(OURS),
                any_json(OURS, sealed=True),
                *[after(_without, any_json(OURS, sealed=False))] * 3,
            ]
        ),
        400,
        _read_to_convert,
    ),
    "dataset stats, initial states": _case(
        one_of(
            [
                any_file(*BESIDES),
                after(_without, any_file(*BESIDES)),
                after(_without, any_json(BESIDES[0], sealed=False)),
            ]
        ),
        200,
        _read_to_grow,
    ),
    "dataset parquet": _case(one_of([any_file(*TABLES), after(_without, any_file(*TABLES))]), 400),
    "dataset mp4": _case(one_of([any_file(*VIDEOS), after(_without, any_file(*VIDEOS))]), 400),
    "unfinished recording": _case(
        one_of(
            [
                any_file("data/.recording/episode-*"),
                any_json("data/.recording/settings.json", sealed=True),
                any_json(
                    "data/.recording/settings.json", "data/.recording/commit/manifest.json", sealed=False
                ),
                after(_without, any_file("data/.recording/**/*")),
            ]
        ),
        300,
        _go_on,
        _make_waiting,
    ),
    "frame cache": _case(any_file("frames/frames-*/frames.*"), 250, _read, _make_frames),
}
