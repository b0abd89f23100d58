"""Study: the trainings to compare, as data. A study is a Python file with a function `study() -> Study`.

The factors span a grid; every cell of it is trained with several seeds and evaluated in one or more ways.
Whatever no factor names is held fixed. Cells that need the same demonstrations share them.

    def study() -> Study:
        return Study(
            question="Does a longer chunk help?",
            base=pick_point("pick_flow"),
            factors=[Factor("chunk", {k: {"train.data.chunk": k} for k in (4, 8, 16)})],
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

from ...common.errors import InputError
from ...common.registry import check_name
from ...envs.config import EnvConfig
from ...eval.result import CONDITIONS, Condition
from ...eval.study.factors import Changes, Factor
from ...eval.study.level import Level, in_words, level_text
from ...policies.config_io import to_dict
from ...policies.execution import FORMER as FORMER_EXECUTION
from ...vision.checkpoints import with_checkpoint
from .. import presets
from ..config import TrainConfig
from ..evaluation import EvalConfig
from ..machine import Precision
from ..recording.record import RecordConfig

Evaluations = Mapping[str, Changes] | Factor | Sequence[Factor]
"""Evaluations by name, or the factors whose combinations they are."""
FORMER_FIELDS = {"exam": "evaluation"}
"""Fields of `Point` that older study files and descriptions call something else."""


@dataclass(frozen=True)
class Point:
    """One training with its demonstrations and its evaluation. Folders are placeholders: the study sets
    them."""

    record: RecordConfig
    """Demonstrations."""
    train: TrainConfig
    evaluation: EvalConfig
    condition: Condition = "test"
    """Condition of the evaluation: test, or a control."""

    def __post_init__(self) -> None:
        check_name("condition", self.condition, CONDITIONS)


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a study's policies."""

    changes: Changes
    """Fields of `Point.evaluation` and `Point.condition` to change."""
    settings: Mapping[str, Level] = field(default_factory=dict)
    """Level of each of the evaluations' factors, by label; empty if the evaluation has a name only."""


WITH_CONTROLS: Mapping[str, Changes] = {
    "as told": {},
    "another object named": {"condition": "swapped_instruction"},
    "grey images": {"condition": "blank_image"},
}
"""Evaluations that include both controls, in which a policy that listens and looks must fail."""


@dataclass(frozen=True)
class Study:
    """Grid of trainings, and how they are evaluated."""

    question: str
    base: Point
    factors: Sequence[Factor] = ()
    """Factors that vary between trainings."""
    evaluations: Evaluations = field(default_factory=lambda: {"test": {}})
    """Evaluations of each policy: changes by name, or factors that span them."""
    seeds: int = 3
    """Trainings of each cell."""
    sweep: str | None = None
    """Label of a factor that is not compared: each cell takes the level that does best on validation seeds
    with the first training seed; of several equally good ones, the first."""
    validation_episodes: int = 50
    """Validation episodes of the sweep."""
    videos: Sequence[Mapping[str, Level]] = ()
    """Levels of up to four cells to show side by side; by default the best and the worst. The factor that is
    swept must not be named, since each cell has one level of it."""
    axes: InitVar[Mapping[str, Mapping[str, Changes]] | None] = None
    """Former name of `factors`: levels by the factor's label. A level that reads as a number becomes one."""
    judged: InitVar[Mapping[str, Changes] | None] = None
    """Former name of `evaluations`."""
    tune: InitVar[str | None] = None
    """Former name of `sweep`."""
    filmed: InitVar[Sequence[Mapping[str, str]] | None] = None
    """Former name of `videos`."""

    def __post_init__(
        self,
        axes: Mapping[str, Mapping[str, Changes]] | None,
        judged: Mapping[str, Changes] | None,
        tune: str | None,
        filmed: Sequence[Mapping[str, str]] | None,
    ) -> None:
        former = {"evaluations": judged, "sweep": tune, "videos": filmed}
        if axes is not None:
            former["factors"] = [
                Factor(label, {_number(text): changes for text, changes in levels.items()})
                for label, levels in axes.items()
            ]
        for name, value in former.items():
            if value is not None:
                object.__setattr__(self, name, value)
        labels = [factor.label for factor in self.factors]
        if len(set(labels)) < len(labels):
            raise InputError(f"factors must have different names, got {', '.join(labels)}")
        if self.sweep is not None and self.sweep not in labels:
            raise InputError(f"sweep names no factor: {self.sweep!r}; valid: {', '.join(labels)}")
        for factor in self.factors:
            for change in factor.levels.values():
                apply(self.base, change)
        levels = {
            (factor.label, text)
            for factor in self.factors
            if factor.label != self.sweep
            for text in factor.texts
        }
        for wanted in self.videos:
            if not {(label, level_text(level)) for label, level in wanted.items()} <= levels:
                raise InputError(
                    f"no cell to show in videos with {dict(wanted)}; valid levels: {sorted(levels)}"
                )
        for name, evaluation in named(self.evaluations).items():
            apply(self.base, evaluation.changes)
            for path in evaluation.changes:
                if current_path(path).split(".")[0] not in ("evaluation", "condition"):
                    raise InputError(
                        f"evaluation {name!r} changes {path!r}, but all evaluations share one policy: valid "
                        "are condition and the fields of evaluation; what is trained differently is a factor"
                    )

    def cells(self) -> "list[Cell]":
        """Every combination of levels with every training seed."""
        cells = []
        for combination in itertools.product(*(factor.levels for factor in self.factors)):
            levels = {f.label: level for f, level in zip(self.factors, combination, strict=True)}
            point = self.base
            for factor, level in zip(self.factors, combination, strict=True):
                point = apply(point, factor.levels[level])
            for seed in range(self.seeds):
                cells.append(Cell(levels, seed, apply(point, {"train.seed": point.train.seed + seed})))
        return cells


@dataclass(frozen=True)
class Cell:
    """One training of a study."""

    levels: Mapping[str, Level]
    """Level of each factor, by the factor's label."""
    seed: int
    """Number of the training, from 0."""
    point: Point

    @property
    def name(self) -> str:
        """Name of the training's folder: "head=flow,chunk=8,seed=0"."""
        parts = [f"{label}={level_text(level)}" for label, level in self.levels.items()]
        return ",".join([*parts, f"seed={self.seed}"]).replace("/", "_")

    @property
    def data(self) -> str:
        """Folder name of the demonstrations: the same for cells that share them."""
        return data_name(self.point.record)


def named(evaluations: Evaluations) -> dict[str, Evaluation]:
    """Evaluations by name; those spanned by factors are named by their levels: "execute 4", "waiting, 2
    late"."""
    if isinstance(evaluations, Mapping):
        return {name: Evaluation(changes) for name, changes in evaluations.items()}
    factors = [evaluations] if isinstance(evaluations, Factor) else list(evaluations)
    found = {}
    for combination in itertools.product(*(factor.levels.items() for factor in factors)):
        settings = {f.label: level for f, (level, _) in zip(factors, combination, strict=True)}
        changes = {path: value for _, change in combination for path, value in change.items()}
        name = ", ".join(in_words(label, level) for label, level in settings.items())
        found[name] = Evaluation(changes, settings)
    return found


def data_name(record: RecordConfig) -> str:
    """Folder name that is unique to these demonstrations."""
    settings = {**record.settings(), "episodes": record.episodes}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    return f"{record.env.task.replace(':', ',')}-{digest}"


def apply(value: Any, changes: Changes) -> Any:
    """Changes some fields of a tree of dataclasses.

    Raises:
        ValueError: there is no such field.
    """
    # A checkpoint sets other fields, too; changes beside it come later and win.
    for path, to in sorted(changes.items(), key=lambda change: not change[0].endswith(".checkpoint")):
        current = current_path(path) if isinstance(value, Point) else path
        value = _set(value, current.split("."), to, path)
    return value


def with_precision(study: Study, precision: Precision) -> Study:
    """Replaces the precision "auto" by `precision` throughout the study."""

    def fixed(path: str, value: Any) -> Any:
        if path == "train.precision" and value == "auto":
            return precision
        if isinstance(value, TrainConfig) and value.precision == "auto":
            return replace(value, precision=precision)
        return value

    factors = [
        replace(
            factor,
            levels={
                level: {path: fixed(path, to) for path, to in changes.items()}
                for level, changes in factor.levels.items()
            },
        )
        for factor in study.factors
    ]
    return replace(study, base=replace(study.base, train=fixed("train", study.base.train)), factors=factors)


def current_path(path: str) -> str:
    """Path of a `Point`'s field by its present name; a former name becomes the present one."""
    first, dot, rest = path.partition(".")
    first = FORMER_FIELDS.get(first, first)
    return first + dot + (FORMER_EXECUTION.get(rest, rest) if first == "evaluation" else rest)


def _number(text: str) -> Level:
    """The number that `text` reads as, if it is written as this program writes it; else `text`."""
    for kind in (int, float) if text[-1:].isdigit() else ():
        try:
            if level_text(number := kind(text)) == text:
                return number
        except ValueError:
            continue
    return text


def _set(value: Any, keys: list[str], to: Any, path: str) -> Any:
    names = [f.name for f in fields(value)] if is_dataclass(value) else []
    assert not isinstance(value, type)
    if isinstance(value, RecordConfig) and keys[0] in {f.name for f in fields(EnvConfig)}:
        keys = ["env", *keys]  # "record.robot" is short for "record.env.robot"
    if keys[0] not in names:
        raise InputError(f"no field {path!r}; valid in place of {keys[0]!r}: {', '.join(names) or 'nothing'}")
    if len(keys) > 1:
        to = _set(getattr(value, keys[0]), keys[1:], to, path)
    if keys == ["checkpoint"] and to is not None and getattr(value, "checkpoint", None) is None:
        return with_checkpoint(value, to)
    return replace(value, **{keys[0]: to})


def pick_point(preset: str, *, task: str = "pick", demonstrations: int = 1000, updates: int = 3500) -> Point:
    """A preset's training on one task, evaluated on 100 test episodes."""
    train = presets.load(preset)(Path("data"), updates=updates)
    return Point(RecordConfig(Path("data"), demonstrations, EnvConfig(task)), train, EvalConfig(task))


def load(file: Path) -> Study:
    """Loads the study from a Python file.

    Raises:
        ValueError: the file does not exist, or defines no `study()`.
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist: name a Python file that defines `study() -> Study`")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "study"):
        raise InputError(f"{file} defines no function `study() -> Study`")
    return module.study()


def description(study: Study) -> dict[str, Any]:
    """JSON-able: everything that determines the study's results."""
    return {
        "question": study.question,
        "cells": {
            cell.name: {
                "record": {**cell.point.record.settings(), "episodes": cell.point.record.episodes},
                "train": to_dict(cell.point.train),
                "evaluation": to_dict(cell.point.evaluation),
                "condition": cell.point.condition,
            }
            for cell in study.cells()
        },
        "evaluations": {
            name: {current_path(path): to_dict(value) for path, value in evaluation.changes.items()}
            for name, evaluation in named(study.evaluations).items()
        },
        "sweep": study.sweep and {"axis": study.sweep, "episodes": study.validation_episodes},
    }
