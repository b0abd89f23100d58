"""Trainings: a checkpoint that is gone on from, the configuration beside it, the rows and what came of it."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from safetensors.torch import load_file
from synthetic_episodes import write_dataset

from vlasandbox.eval.training_record import TrainingRecord, cautions
from vlasandbox.train import checkpoint, loop
from vlasandbox.train.config import TrainConfig
from vlasandbox.train.evaluation import eval_target, learned_task
from vlasandbox.train.log import last_row
from vlasandbox.train.presets import debug

from ..fuzz import FuzzCase
from ..spoiling import any_file, any_json, one_of


def _config(folder: Path) -> TrainConfig:
    return replace(debug.config(folder / "data", updates=2), checkpoint_every=1)


def _make_begun(folder: Path) -> None:
    """A training of two updates that was stopped after the first."""
    write_dataset(folder / "data")
    save = checkpoint.save

    def once(*state: Any) -> None:
        save(*state)
        raise KeyboardInterrupt

    with patch.object(loop.checkpoint, "save", once):
        try:
            loop.train(_config(Path()), Path("run"), bar=False)
        except KeyboardInterrupt:
            return
    raise AssertionError


def _go_on(folder: Path) -> Any:
    loop.train(_config(Path()), Path("run"), bar=False)
    total = hashlib.sha256()
    for name, tensor in sorted(load_file("run/policy/model.safetensors").items()):
        total.update(name.encode() + tensor.numpy().tobytes())
    return [total.hexdigest(), [row["loss"] for row in TrainingRecord.load(Path("run")).rows]]


def _make_done(folder: Path) -> None:
    write_dataset(folder / "data")
    loop.train(_config(Path()), Path("run"), bar=False)


def _read_done(folder: Path) -> Any:
    run = Path("run")
    loop.train(_config(Path()), run, bar=False)  # returns at once
    record = TrainingRecord.load(run)
    target = eval_target("run")
    told = cautions({"a": record, "b": record})
    rows = [record.to_dict(), record.rows, learned_task(run), last_row(run / "metrics.jsonl")]
    return [rows, told, target.name]


def _inside(make: Any) -> Any:
    """Made in its folder, so that no path of this machine is in it."""
    import os

    def body(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        before = Path.cwd()
        os.chdir(folder)
        try:
            make(folder)
        finally:
            os.chdir(before)

    return body


BESIDE = ("run/config.json", "run/metrics.jsonl", "run/summary.json")
CASES = {
    "checkpoint": FuzzCase(_inside(_make_begun), any_file("run/state/resume.safetensors"), _go_on, 300),
    "settings of a begun run": FuzzCase(
        _inside(_make_begun),
        one_of(
            [
                any_file("run/config.json"),
                any_json("run/config.json", sealed=True),
                any_json("run/config.json", sealed=False),
            ]
        ),
        _go_on,
        150,
    ),
    "metrics.jsonl": FuzzCase(_inside(_make_begun), any_file("run/metrics.jsonl"), _go_on, 150),
    "files of a finished run": FuzzCase(
        _inside(_make_done),
        one_of(
            [
                any_file(*BESIDE),
                any_json("run/summary.json", "run/config.json", sealed=True),
                any_json("run/summary.json", "run/config.json", sealed=False),
            ]
        ),
        _read_done,
        300,
    ),
}
