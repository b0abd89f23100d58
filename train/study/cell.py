"""One cell of a study in its folder: trained once, judged once in each way, by one process on one core."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...eval.result import Condition, EvalResult
from ..config import TrainConfig
from ..data.files import exclusive, read_json, write_json
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached, load_cached
from ..parallel import Job
from ..recording.record import RecordConfig
from .definition import Cell, Changes, apply, data_name
from .held_out import held_out, measure
from .manifest import check_code_version

SUMMARY = "summary.json"
"""File of a finished training."""
DIVERGED = "diverged.json"
"""File of a training that ended because its loss was no longer finite: a result too, and not tried again."""


@dataclass(frozen=True)
class CellRun:
    """What a study asks of one of its cells."""

    cell: Cell
    out: Path
    """Folder of the study."""
    exams: Mapping[str, tuple[EvalConfig, Condition]]
    """Ways to judge it."""

    @property
    def folder(self) -> Path:
        """Of the training, with its evaluations."""
        return self.out / "cells" / self.cell.name

    @property
    def data(self) -> Path:
        """Folder of the demonstrations."""
        return self.out / "data" / self.cell.data

    @property
    def held_out(self) -> RecordConfig:
        """Demonstrations like those that it learns from, for its open-loop error."""
        record = held_out(self.cell.point.record)
        return replace(record, root=self.out / "held_out" / data_name(record))

    @property
    def config(self) -> TrainConfig:
        """Of the training."""
        train = self.cell.point.train
        return replace(train, data=replace(train.data, root=self.data), threads=1)

    @property
    def contestant(self) -> EvalTarget:
        """The policy to judge."""
        return EvalTarget(self.cell.name, self.folder / "policy", self.folder / "eval")

    @property
    def trained(self) -> bool:
        """Whether the training is finished."""
        return (self.folder / SUMMARY).exists()

    @property
    def diverged(self) -> int | None:
        """Update at which the training diverged; None if it did not."""
        path = self.folder / DIVERGED
        return read_json(path)["update"] if path.exists() else None

    def unjudged(self) -> list[EvalConfig]:
        """Exams that have no result yet."""
        return [exam for name, (exam, _) in self.exams.items() if self.result(name) is None]

    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.diverged is not None or (self.trained and not self.unjudged())

    def result(self, name: str) -> EvalResult | None:
        """The stored result of one way to judge it."""
        return load_cached(self.contestant, *self.exams[name])

    def data_fingerprint(self) -> str | None:
        """Of the demonstrations that it was trained on; None before it is trained."""
        return read_json(self.folder / SUMMARY)["dataset"]["fingerprint"] if self.trained else None

    def job(self) -> Job:
        """What is left of it, for a process of its own."""
        gpu = self.config.device.startswith("cuda")
        return Job(self.cell.name, self.folder, self.config.updates, functools.partial(do, self), gpu)


def kept(works: Sequence[CellRun]) -> list[CellRun]:
    """Those that did not diverge."""
    return [work for work in works if work.diverged is None]


def exams(cell: Cell, judged: Mapping[str, Changes]) -> dict[str, tuple[EvalConfig, Condition]]:
    """The ways in which a cell is judged; one in which its policy cannot be executed is left out.

    One process of environments each: with more, each inference would serve fewer of them (see
    eval/rollout/inference.py), and the cores are busy with other cells. No result depends on it.

    Raises:
        ValueError: it cannot be executed in any of them.
    """
    data, found, reason = cell.point.train.data, {}, ""
    for name, changes in judged.items():
        point = apply(cell.point, changes)
        try:
            point.exam.execution.check(data.chunk, data.action_space or point.record.action_space)
        except ValueError as error:
            reason = str(error)
        else:
            found[name] = replace(point.exam, workers=point.exam.workers or 1), point.condition
    if not found:
        raise ValueError(f"{cell.name} cannot be judged: {reason}")
    return found


def do(work: CellRun) -> None:
    """Trains and judges as far as it is not done yet; after an interruption it goes on from there.

    In between it measures the open-loop error. A training that diverges is noted, and nothing is judged.

    Raises:
        ValueError: this machine has other code than the study, or does not see its folder.
        KeyboardInterrupt: interrupted; a checkpoint has been written.
    """
    check_code_version(work.out)
    from ..loop import NonFiniteLossError, train

    # A process of an earlier, killed study may still be at its last checkpoint.
    with exclusive(work.folder / "state", wait=True):
        pass
    try:
        train(work.config, work.folder, bar=False)
    except NonFiniteLossError as error:
        write_json(work.folder / DIVERGED, {"update": error.update, "message": str(error)})
        return
    measure(work.folder, work.held_out.root)
    for exam, condition in work.exams.values():
        evaluate_cached(work.contestant, exam, condition, bar=False)
