"""What is written where, and what must be left of it when the power fails: a case for each kind of folder."""

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_up_results import result
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode
from torch import nn

from vlasandbox.common.files import restore, sealed, whole_folder, write_whole
from vlasandbox.eval.result import EvalResult, ResultError
from vlasandbox.train import checkpoint
from vlasandbox.train.checkpoint import Progress
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.files import DatasetError, exclusive, read_json, write_sealed
from vlasandbox.train.data.writer import DatasetWriter
from vlasandbox.train.ema import EMA

from .power import Disk


@dataclass(frozen=True)
class Case:
    """A program that writes into a folder, and what must hold of the folder afterwards."""

    write: Callable[[Path, Disk], None]
    check: Callable[[Path, Any], None]
    """Raises AssertionError if less is left in the folder than was promised, or something else."""


def _record(root: Path, disk: Disk) -> None:
    """Two recordings, the second one onto the first."""
    done: list[int] = []
    for seeds in ((0, 1), (2,)):
        writer = DatasetWriter(root / "d", SETTINGS)
        for seed in seeds:
            writer.add_episode(synthetic_episode(seed), SPEC)
            done.append(seed)
            disk.promise(("staged", tuple(done)))
        writer.commit()
        disk.promise(("recorded", tuple(done)))


def _recorded(root: Path, promised: Any) -> None:
    """All episodes that were promised are there, and the same recording makes the whole dataset of it."""
    kind, seeds = promised or ("staged", ())
    if kind == "recorded":
        with contextlib.suppress(DatasetError):  # the next recording was being committed
            assert set(_seeds(Dataset.open(root / "d"))) >= set(seeds)
    writer = DatasetWriter(root / "d", SETTINGS)
    assert set(writer.outcomes()) >= set(seeds), f"lost of {seeds}: only {writer.outcomes()} are there"
    for seed in set(range(3)) - set(writer.outcomes()):
        writer.add_episode(synthetic_episode(seed), SPEC)
    writer.commit()
    dataset = Dataset.open(root / "d")
    assert sorted(_seeds(dataset)) == [0, 1, 2]
    assert dataset.fingerprint  # which reads all files and compares checksums
    for seed, start, length in zip(_seeds(dataset), dataset.starts, dataset.lengths, strict=True):
        expected = synthetic_episode(seed).action
        assert np.array_equal(dataset.action[start : start + length], expected), f"seed {seed} differs"
    assert not (root / "d/.recording").exists()


def _seeds(dataset: Dataset) -> list[int]:
    assert dataset.recording is not None
    return [episode["seed"] for episode in dataset.recording["episodes"]]


def _module(value: float) -> nn.Module:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.fill_(value)
    return model


def _train(root: Path, disk: Disk) -> None:
    """Three checkpoints of a run."""
    for step in (1, 2, 3):
        model = _module(step)
        progress = Progress(step, 1, 0.0, 0.0, 0.0, "data")
        optimizer = torch.optim.SGD(model.parameters())
        checkpoint.save(root / "run/resume.safetensors", model, optimizer, EMA(model, 0.9), progress)
        disk.promise(step)


def _trained(root: Path, promised: Any) -> None:
    path = root / "run/resume.safetensors"
    progress = checkpoint.read_progress(path)
    step = 0 if progress is None else progress.step
    assert step >= (promised or 0), f"checkpoint {promised} was promised, {step} is there"
    if step:
        assert checkpoint.read_tensors(path)["model.weight"].eq(step).all()


def _save_folders(root: Path, disk: Disk) -> None:
    """A folder of several files, as of a policy, replaced twice."""
    for version in (1, 2, 3):
        with whole_folder(root / "run/policy") as folder:
            (folder / "weights").write_bytes(bytes([version]) * 1000)
            (folder / "tokenizer").mkdir()
            (folder / "tokenizer/tokenizer.json").write_text(str(version))
            (folder / "config.json").write_text(json.dumps({"version": version}))
        disk.promise(version)


def _saved_folders(root: Path, promised: Any) -> None:
    folder = root / "run/policy"
    if folder.parent.exists():
        restore(folder)
    assert folder.exists() or not promised, f"version {promised} was promised, none is there"
    if folder.exists():
        version = json.loads((folder / "config.json").read_text())["version"]
        assert version >= (promised or 0)
        assert (folder / "weights").read_bytes() == bytes([version]) * 1000
        assert (folder / "tokenizer/tokenizer.json").read_text() == str(version)


def _write(root: Path, disk: Disk) -> None:
    """A small file that is written again and again."""
    for version in range(1, 6):
        write_whole(root / "study/made/for/it/study.json", json.dumps({"version": version}))
        disk.promise(version)


def _written(root: Path, promised: Any) -> None:
    path = root / "study/made/for/it/study.json"
    assert path.exists() or not promised
    if path.exists():
        assert json.loads(path.read_text())["version"] >= (promised or 0)


def _cache(root: Path, disk: Disk) -> None:
    """A frame cache."""
    writer = DatasetWriter(root / "d", SETTINGS)
    writer.add_episode(synthetic_episode(0), SPEC)
    writer.commit()
    disk.promise("dataset")
    frame_cache(Dataset.open(root / "d"), 16, root / "frames")
    disk.promise("cache")


def _cached(root: Path, promised: Any) -> None:
    """Whatever is left of the cache, the frames are those of the videos."""
    if promised:
        dataset = Dataset.open(root / "d")
        there = frame_cache(dataset, 16, root / "frames")
        assert np.array_equal(there, frame_cache(dataset, 16, root / "elsewhere"))


def _evaluate(root: Path, disk: Disk) -> None:
    """An evaluation that keeps its episodes now and then, and then all of them."""
    folder = root / "run/eval/pick/test"
    for outcomes in ("sf", "sfts"):
        result("flow", outcomes).save(folder.with_name("test.unfinished"))
        disk.promise(len(outcomes))
    result("flow", "sftsss").save(folder)
    disk.promise(6)
    shutil.rmtree(folder.with_name("test.unfinished"))
    disk.promise(6)
    result("flow", "sftsssff").save(folder)  # a longer one takes its place
    disk.promise(8)


def _evaluated(root: Path, promised: Any) -> None:
    found = []
    for name in ("test.unfinished", "test"):
        with contextlib.suppress(ResultError):
            found.append(EvalResult.load(root / "run/eval/pick" / name))
    most = max((len(one.episodes) for one in found), default=0)
    assert most >= (promised or 0), f"{promised} episodes were promised, {most} are there"
    assert all(one == result("flow", "sftsssff"[: len(one.episodes)]) for one in found)


@dataclass(frozen=True)
class _Cell:
    """Of a study, with what makes its folder."""

    name: str

    def write(self, study: Path) -> None:
        folder = study / "cells" / self.name
        with exclusive(folder / "state", wait=False):
            write_sealed(folder / "config.json", {"name": self.name})
            with whole_folder(folder / "policy") as policy:
                (policy / "weights").write_text(self.name)
            write_sealed(folder / "summary.json", {"name": self.name})


def _study(root: Path, disk: Disk) -> None:
    """The files of a study in the order in which they are made: what it is, its cells, its results."""
    study = root / "runs/study"
    done: list[str] = []
    with exclusive(study / "state", wait=False):
        write_sealed(study / "study.json", {"study": "made up", "code": "abc"})
        disk.promise(("begun", ()))
        for name in ("a", "b"):
            _Cell(name).write(study)
            done.append(name)
            disk.promise(("trained", tuple(done)))
        write_whole(study / "results.json", json.dumps(sealed({"rows": done})))
        disk.promise(("summed up", tuple(done)))


def _studied(root: Path, promised: Any) -> None:
    study = root / "runs/study"
    stage, done = promised or ("", ())
    if stage:
        assert read_json(study / "study.json") == {"study": "made up", "code": "abc"}
    for name in done:
        folder = study / "cells" / name
        assert read_json(folder / "summary.json") == {"name": name}
        assert (folder / "policy/weights").read_text() == name
    for folder in (study / "cells").glob("*"):
        if (folder / "summary.json").exists():  # whoever is finished has a policy
            assert (folder / "policy/weights").read_text() == folder.name
    if stage == "summed up":
        assert read_json(study / "results.json") == {"rows": list(done)}


CASES = {
    "record": Case(_record, _recorded),
    "train": Case(_train, _trained),
    "policy": Case(_save_folders, _saved_folders),
    "small file": Case(_write, _written),
    "evaluation": Case(_evaluate, _evaluated),
    "study": Case(_study, _studied),
    "frame cache": Case(_cache, _cached),
}
