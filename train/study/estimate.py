"""Estimate of the remaining work of a study, printed before it starts."""

from collections.abc import Sequence

from ...eval.training_record import TrainingRecord
from ..costs import Costs, about, as_measured, measure_if_long, updates_left
from .cell import CellRun, not_diverged
from .definition import Study


def cost_estimate(study: Study, runs: Sequence[CellRun], left_out: int, at_once: int) -> str:
    """Describes in a few lines what is done, and what the rest costs.

    The cost is extrapolated from finished trainings, or else measured here.

    Args:
        study: the study.
        runs: all runs, those of the sweep included.
        left_out: number of evaluations that do not fit their policies.
        at_once: number of cells that run at a time.
    """
    diverged = {run.folder for run in runs if run.diverged is not None}
    runs = not_diverged(runs)
    untrained = {run.folder: run for run in runs if not run.trained}
    trained = {run.folder: run for run in runs if run.trained}
    sets = {run.data for run in runs}
    total = sum(len(run.evaluations) for run in runs)
    done = total - sum(len(run.pending()) for run in runs)
    said = (
        f"{study.question}\n{len(untrained) + len(trained)} trainings ({len(trained)} done"
        f"{f'; {len(diverged)} more diverged' * (len(diverged) > 0)}) on {len(sets)} "
        f"sets of demonstrations, {total} evaluations ({done} done"
        f"{f'; {left_out} do not fit their policies and are skipped' * (left_out > 0)})."
    )
    left = sum(updates_left(run.config, run.folder) for run in untrained.values())
    trainings = [(run.config, run.cell.point.record) for run in untrained.values()]
    costs = measure_if_long(trainings, left, at_once)
    cost = "" if costs is None else f"\n{_cost(study, runs, costs, at_once)}"
    return f"{said}{cost}\nInterrupt at any time; the same command continues."


def _cost(study: Study, runs: Sequence[CellRun], costs: Costs, at_once: int) -> str:
    """Describes the cost of the remaining work, and how to reduce it."""
    untrained = {run.folder: run for run in runs if not run.trained}.values()
    trained = {run.folder: run for run in runs if run.trained}.values()
    missing = {run.data: run for run in untrained if not run.data.exists()}.values()
    recording = sum((costs.recording(run.cell.point.record) for run in missing), 0.0)
    training = 0.0
    for run in untrained:
        alike = [_seconds_per_update(one) for one in trained if one.cell.levels == run.cell.levels]
        rate = sum(alike) / len(alike) if alike else costs.update(run.config)
        training += updates_left(run.config, run.folder) * rate
    evaluating = 0.0
    for run in runs:
        planned = (run.config, run.cell.point.record)
        for name, (config, condition) in run.evaluations.items():
            if run.result(name) is None:
                evaluating += costs.evaluation(config, planned, fails=condition != "test")
    total = recording + training + evaluating
    cores = f" on {at_once} cores" if at_once > 1 else ""
    return (
        f"{about(total / at_once).capitalize()}{cores}, {as_measured()}: on one core {about(recording)} to "
        f"record, {about(training)} to train, {about(evaluating)} to evaluate. {_shorter(study)}"
    )


def _shorter(study: Study) -> str:
    if study.seeds == 1:
        return "To save time: fewer `updates` or episodes in the study's file."
    return (
        f"To save time: `seeds=1` in the study's file takes about 1/{study.seeds} of it; raised to "
        f"{study.seeds} later, the same command adds the other trainings."
    )


def _seconds_per_update(run: CellRun) -> float:
    training = TrainingRecord.load(run.folder)
    return training.cpu_seconds / max(1, training.updates)
