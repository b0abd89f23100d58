"""Write a self-contained HTML report of judged policies, with videos; Markdown and JSON beside it."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...envs import tasks
from ...eval.compare.comparison import compare
from ...eval.compare.suite import suite_table
from ...eval.report.comparison import write_report
from ...eval.report.suite import write_suite
from ...eval.result import CONDITIONS
from ...eval.video.clips import film
from ..evaluation import (
    EvalConfig,
    default_evaluation,
    eval_target,
    evaluate_cached,
    expert_beside,
    training_records,
    with_task,
)

POSITION = 100


@dataclass(frozen=True)
class Report:
    """Write a report. Evaluations that are missing, controls and expert included, are run first."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs or policies."""
    out: Path = Path("report")
    """Folder of the report."""
    evaluation: Annotated[EvalConfig, tyro.conf.arg(name="")] = field(default_factory=default_evaluation)


def main(argv: list[str]) -> int:
    """Run `vla report RUN [RUN ...] --out FOLDER`."""
    args = tyro.cli(Report, args=argv, prog="vla report")
    if not args.runs:
        raise InputError("name at least one run")
    targets = [eval_target(run) for run in args.runs]
    trainings = training_records(targets)
    asked = with_task(args.evaluation, targets)
    comparisons, names = [], tasks.expand(asked.task)
    for task in names:
        evaluation = replace(asked, task=task)
        results = [evaluate_cached(who, evaluation, condition) for who in targets for condition in CONDITIONS]
        comparison = compare([*results, evaluate_cached(expert_beside(targets[0]), evaluation, "test")])
        comparisons.append(comparison)
        out = args.out / evaluation.folder if len(names) > 1 else args.out
        clips = film(comparison, out / "videos")
        print(f"Report: {write_report(out, comparison, trainings, clips).resolve()}")
    if len(names) > 1:
        print(f"{suite_table(comparisons).aligned()}\n{write_suite(args.out, comparisons).resolve()}")
    return 0
