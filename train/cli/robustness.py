"""Measure how much success each perturbation costs, against the same seeds unperturbed; with a report."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...envs import tasks
from ...eval.compare.robustness import drop_table, drops, statements
from ...eval.report.robustness import write_robustness
from ..evaluation import EvalConfig, default_evaluation, eval_target, with_task
from ..workflows.robustness import evaluate_trials, trials

POSITION = 90


@dataclass(frozen=True)
class Robustness:
    """Measure robustness. Evaluations that are missing, controls and expert included, are run first."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs or policies."""
    axes: str = ""
    """Axes as camera,light (`vla list perturbations`), and combinations: attribute combinations kept from
    training. By default all that the task can be varied in."""
    levels: str = "3"
    """Levels to test: one from 1 to 5, or several as 1-5."""
    out: Path | None = None
    """Folder of the report; robustness in the first run's folder by default."""
    evaluation: Annotated[EvalConfig, tyro.conf.arg(name="")] = field(default_factory=default_evaluation)


def main(argv: list[str]) -> int:
    """Run `vla robustness RUN [RUN ...]`."""
    args = tyro.cli(Robustness, args=argv, prog="vla robustness")
    if not args.runs:
        raise InputError("name at least one run")
    targets = [eval_target(run) for run in args.runs]
    out = args.out or targets[0].results.parent / "robustness"
    asked_for = with_task(args.evaluation, targets)
    evaluations = [replace(asked_for, task=task) for task in tasks.expand(asked_for.task)]
    for evaluation, asked in [
        (evaluation, trials(evaluation, args.axes, args.levels)) for evaluation in evaluations
    ]:
        print(
            f"{evaluation.task}: {len(asked)} perturbations, {evaluation.episodes} episodes each, for "
            f"{', '.join(who.name for who in targets)} and the expert; stored ones are not played again",
            flush=True,
        )
        played = []
        for who in targets:
            for trial in evaluate_trials(who, asked):
                played.append(trial)
                print(trial, flush=True)
        found = drops(played)
        print(f"\n{drop_table(found).aligned(left=2)}\n\n" + "\n".join(statements(found)))
        protocol = {
            name: value for name, value in asdict(evaluation).items() if name not in ("perturb", "workers")
        }
        protocol |= {f"checkpoint of {trial.policy}": trial.perturbed.checkpoint for trial in played}
        protocol["versions"] = ", ".join(f"{name} {v}" for name, v in played[0].perturbed.versions.items())
        folder = out / evaluation.folder if len(evaluations) > 1 else out
        print(f"Report: {write_robustness(folder, found, protocol).resolve()}")
    return 0
