"""Study: which trainings to compare, as data. A study is a Python file with a function `study() -> Study`.

The axes span a grid; every cell of it is trained with several seeds and judged in one or more ways. What no
axis names is held fixed. Cells that need the same demonstrations share them.

    def study() -> Study:
        return Study(
            question="Does a longer chunk help?",
            base=pick_point("pick_flow"),
            axes={"chunk": {str(k): {"train.data.chunk": k} for k in (4, 8, 16)}},
            evaluations={"test": {}, "blank images": {"condition": "blank_image"}},
        )
"""

import hashlib
import importlib.util
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from ...envs.registry import check_name
from ...eval.result import CONDITIONS, Condition
from ...policies.config_io import to_dict
from ...vision.checkpoints import with_checkpoint
from .. import presets
from ..config import TrainConfig
from ..evaluation import EvalConfig
from ..machine import Precision
from ..recording.record import RecordConfig

Changes = Mapping[str, Any]
"""Dotted path of a field of `Point` -> its value."""


@dataclass(frozen=True)
class Point:
    """One training and all around it. Folders in it are placeholders: the study decides where things go."""

    record: RecordConfig
    """Demonstrations."""
    train: TrainConfig
    exam: EvalConfig
    condition: Condition = "test"
    """What the policy is told and shown: test, or a control."""

    def __post_init__(self) -> None:
        check_name("condition", self.condition, CONDITIONS)


WITH_CONTROLS: Mapping[str, Changes] = {
    "as told": {},
    "another object named": {"condition": "swapped_instruction"},
    "grey images": {"condition": "blank_image"},
}
"""Ways of judging: what a policy is there for, and what it must fail if it listens and looks."""


@dataclass(frozen=True)
class Study:
    """A grid of trainings."""

    question: str
    base: Point
    axes: Mapping[str, Mapping[str, Changes]]
    """Axis -> level -> what it changes."""
    evaluations: Mapping[str, Changes] = field(default_factory=lambda: {"test": {}})
    """Name of each evaluation of a policy -> what it changes of `exam` and `condition`."""
    seeds: int = 3
    """Trainings of each cell."""
    sweep: str | None = None
    """An axis that is not compared: each cell takes the level that does best on validation seeds with the
    first training seed; of several as good, the one listed first."""
    validation_episodes: int = 50
    """Of the sweep."""
    videos: Sequence[Mapping[str, str]] = ()
    """Levels of up to four cells to show side by side; the best and the worst by default. Of an axis that is
    swept each cell has one level, which is not to be named."""
    judged: InitVar[Mapping[str, Changes] | None] = None
    """Former name of `evaluations`."""
    tune: InitVar[str | None] = None
    """Former name of `sweep`."""
    filmed: InitVar[Sequence[Mapping[str, str]] | None] = None
    """Former name of `videos`."""

    def __post_init__(
        self,
        judged: Mapping[str, Changes] | None,
        tune: str | None,
        filmed: Sequence[Mapping[str, str]] | None,
    ) -> None:
        for name, value in (("evaluations", judged), ("sweep", tune), ("videos", filmed)):
            if value is not None:
                object.__setattr__(self, name, value)
        if self.sweep is not None and self.sweep not in self.axes:
            raise ValueError(f"sweep names no axis: {self.sweep!r}; valid: {', '.join(self.axes)}")
        changes = [change for levels in self.axes.values() for change in levels.values()]
        for change in [*changes, *self.evaluations.values()]:
            apply(self.base, change)
        levels = {(axis, level) for axis, of in self.axes.items() if axis != self.sweep for level in of}
        for wanted in self.videos:
            if not wanted.items() <= levels:
                raise ValueError(
                    f"no cell to show in videos with {dict(wanted)}; valid levels: {sorted(levels)}"
                )
        for name, change in self.evaluations.items():
            for path in change:
                if path.split(".")[0] not in ("exam", "condition"):
                    raise ValueError(
                        f"evaluation {name!r} changes {path!r}, but all are of the same policy: valid are "
                        "condition and the fields of exam; what is trained differently is an axis"
                    )

    def cells(self) -> "list[Cell]":
        """Every combination of levels, with every training seed."""
        cells = []
        for combination in itertools.product(*(levels.items() for levels in self.axes.values())):
            levels = dict(zip(self.axes, (name for name, _ in combination), strict=True))
            for seed in range(self.seeds):
                cells.append(Cell(levels, seed, self._point(combination, seed)))
        return cells

    def _point(self, combination: tuple[tuple[str, Changes], ...], seed: int) -> Point:
        point = self.base
        for _, changes in combination:
            point = apply(point, changes)
        return apply(point, {"train.seed": point.train.seed + seed})


@dataclass(frozen=True)
class Cell:
    """One training of a study."""

    levels: Mapping[str, str]
    """Axis -> level."""
    seed: int
    """Number of the training, from 0."""
    point: Point

    @property
    def name(self) -> str:
        """Of its folder."""
        parts = [f"{axis}={level}" for axis, level in self.levels.items()]
        return ",".join([*parts, f"seed={self.seed}"]).replace("/", "_")

    @property
    def data(self) -> str:
        """Name of the folder of its demonstrations: equal for cells that share them."""
        return data_name(self.point.record)


def data_name(record: RecordConfig) -> str:
    """Of a folder for these demonstrations, and for no others."""
    asked = {**record.settings(), "episodes": record.episodes}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    return f"{record.task.replace(':', ',')}-{digest}"


def apply(value: Any, changes: Changes) -> Any:
    """A dataclass tree with some fields changed.

    Raises:
        ValueError: there is no such field.
    """
    # What a checkpoint brings may be changed beside it.
    for path, to in sorted(changes.items(), key=lambda change: not change[0].endswith(".checkpoint")):
        value = _set(value, path.split("."), to, path)
    return value


def with_precision(study: Study, precision: Precision) -> Study:
    """The study with `precision` wherever it leaves that to the machine ("auto")."""

    def fixed(path: str, value: Any) -> Any:
        if path == "train.precision" and value == "auto":
            return precision
        if isinstance(value, TrainConfig) and value.precision == "auto":
            return replace(value, precision=precision)
        return value

    axes = {
        axis: {
            level: {path: fixed(path, to) for path, to in changes.items()} for level, changes in of.items()
        }
        for axis, of in study.axes.items()
    }
    return replace(study, base=replace(study.base, train=fixed("train", study.base.train)), axes=axes)


def _set(value: Any, keys: list[str], to: Any, path: str) -> Any:
    names = [f.name for f in fields(value)] if is_dataclass(value) else []
    assert not isinstance(value, type)
    if keys[0] not in names:
        raise ValueError(f"no field {path!r}; valid in place of {keys[0]!r}: {', '.join(names) or 'nothing'}")
    if len(keys) > 1:
        to = _set(getattr(value, keys[0]), keys[1:], to, path)
    if keys == ["checkpoint"] and to is not None and getattr(value, "checkpoint", None) is None:
        return with_checkpoint(value, to)
    return replace(value, **{keys[0]: to})


def pick_point(preset: str, *, task: str = "pick", demonstrations: int = 1000, updates: int = 3500) -> Point:
    """A preset's training on one task, judged on 100 test episodes."""
    train = presets.load(preset)(Path("data"), updates=updates)
    return Point(RecordConfig(Path("data"), demonstrations, task), train, EvalConfig(task))


def load(file: Path) -> Study:
    """The study in a Python file.

    Raises:
        ValueError: there is no such file, or it defines no `study()`.
    """
    if not file.is_file():
        raise ValueError(f"{file} does not exist: name a Python file that defines `study() -> Study`")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "study"):
        raise ValueError(f"{file} defines no function `study() -> Study`")
    return module.study()


def description(study: Study) -> dict[str, Any]:
    """JSON-able: everything that decides the study's results."""
    return {
        "question": study.question,
        "cells": {
            cell.name: {
                "record": {**cell.point.record.settings(), "episodes": cell.point.record.episodes},
                "train": to_dict(cell.point.train),
                "exam": to_dict(cell.point.exam),
                "condition": cell.point.condition,
            }
            for cell in study.cells()
        },
        "evaluations": {
            name: {path: to_dict(value) for path, value in changes.items()}
            for name, changes in study.evaluations.items()
        },
        "sweep": study.sweep and {"axis": study.sweep, "episodes": study.validation_episodes},
    }
