"""One cell of a study in its folder: trained once, evaluated once per evaluation, by one process on one
core."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...common.errors import InputError
from ...eval.result import Condition, EvalResult
from ...eval.training_record import read_summary
from ..config import TrainConfig
from ..data.files import DatasetError, exclusive, read_object, write_sealed
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached, load_cached
from ..parallel import Job
from ..recording.record import RecordConfig
from .definition import Cell, Evaluations, apply, data_name, named
from .held_out import held_out, measure
from .manifest import check_code_version

SUMMARY = "summary.json"
"""File that marks a finished training."""
DIVERGED = "diverged.json"
"""File that marks a training whose loss became infinite or NaN: a result too, and not tried again."""


AGAIN = "delete it, and the same command trains again"


@dataclass(frozen=True)
class CellRun:
    """Training and evaluations of one cell."""

    cell: Cell
    out: Path
    """Folder of the study."""
    evaluations: Mapping[str, tuple[EvalConfig, Condition]]
    """Evaluations by name."""

    @property
    def folder(self) -> Path:
        """Folder of the training and its evaluations."""
        return self.out / "cells" / self.cell.name

    @property
    def data(self) -> Path:
        """Folder of the demonstrations."""
        return self.out / "data" / self.cell.data

    @property
    def held_out(self) -> RecordConfig:
        """Demonstrations like the training's, held out for the open-loop error."""
        record = held_out(self.cell.point.record)
        return replace(record, root=self.out / "held_out" / data_name(record))

    @property
    def config(self) -> TrainConfig:
        """Configuration of the training."""
        train = self.cell.point.train
        return replace(train, data=replace(train.data, root=self.data), threads=1)

    @property
    def target(self) -> EvalTarget:
        """Policy to evaluate."""
        return EvalTarget(self.cell.name, self.folder / "policy", self.folder / "eval")

    @property
    def trained(self) -> bool:
        """Whether the training is finished."""
        return (self.folder / SUMMARY).exists()

    @property
    def diverged(self) -> int | None:
        """Update at which the training diverged; None if it did not."""
        path = self.folder / DIVERGED
        if not path.exists():
            return None
        update = read_object(path, AGAIN).get("update")
        if not isinstance(update, int):
            raise DatasetError(f"{path} is damaged (it has no update): {AGAIN}")
        return update

    def pending(self) -> list[EvalConfig]:
        """Evaluations without a result."""
        return [config for name, (config, _) in self.evaluations.items() if self.result(name) is None]

    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.diverged is not None or (self.trained and not self.pending())

    def result(self, name: str) -> EvalResult | None:
        """Stored result of one evaluation; None if there is none."""
        return load_cached(self.target, *self.evaluations[name])

    def data_fingerprint(self) -> str | None:
        """Fingerprint of the demonstrations that the policy was trained on; None before it is trained."""
        return read_summary(self.folder)["dataset"].get("fingerprint") if self.trained else None

    def job(self) -> Job:
        """The remaining work, for a process of its own."""
        gpu = self.config.device.startswith("cuda")
        return Job(self.cell.name, self.folder, self.config.updates, functools.partial(run_cell, self), gpu)


def not_diverged(runs: Sequence[CellRun]) -> list[CellRun]:
    """The runs that did not diverge."""
    return [run for run in runs if run.diverged is None]


def evaluations_of(cell: Cell, evaluations: Evaluations) -> dict[str, tuple[EvalConfig, Condition]]:
    """Evaluations of a cell, without those in which its policy cannot be executed.

    Each uses one simulation process: with more, each inference would serve fewer environments (see
    eval/rollout/inference.py), and the cores are busy with other cells. No result depends on it.

    Raises:
        ValueError: the policy cannot be executed in any of them.
    """
    data, found, reason = cell.point.train.data, {}, ""
    for name, evaluation in named(evaluations).items():
        point = apply(cell.point, evaluation.changes)
        config = point.evaluation
        try:
            config.execution.check(data.chunk, data.action_space or point.record.env.action_space)
        except ValueError as error:
            reason = str(error)
        else:
            found[name] = replace(config, workers=config.workers or 1), point.condition
    if not found:
        raise InputError(f"{cell.name} cannot be evaluated: {reason}")
    return found


def run_cell(run: CellRun) -> None:
    """Trains, measures the open-loop error, and evaluates; continues where an interrupted run stopped.

    A training that diverges is recorded as such and not evaluated.

    Raises:
        ValueError: this machine has a different version of the code, or cannot see the study's folder.
        KeyboardInterrupt: interrupted; a checkpoint has been written.
    """
    check_code_version(run.out)
    from ..loop import NonFiniteLossError, train

    # A process of a killed study may still be writing its last checkpoint.
    with exclusive(run.folder / "state", wait=True):
        pass
    try:
        train(run.config, run.folder, bar=False)
    except NonFiniteLossError as error:
        write_sealed(run.folder / DIVERGED, {"update": error.update, "message": str(error)})
        return
    measure(run.folder, run.held_out.root)
    for config, condition in run.evaluations.values():
        evaluate_cached(run.target, config, condition, bar=False)
