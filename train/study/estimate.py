"""What is left of a study to do, and what it will cost, told before it starts."""

from collections.abc import Sequence

from ..costs import Costs, about, as_measured, measure_if_long, updates_left
from ..data.files import read_json
from .cell import CellRun, kept
from .definition import Study


def cost_estimate(study: Study, works: Sequence[CellRun], left_out: int, at_once: int) -> str:
    """A few lines about `works`, of which `at_once` are done at a time.

    What is done already tells what the rest costs; of what is done nowhere yet, a little is measured here.

    Args:
        study: the study.
        works: all of its cells, those for tuning among them.
        left_out: how many evaluations a cell's policy does not allow.
        at_once: how many cells are done at a time.
    """
    diverged = {work.folder for work in works if work.diverged is not None}
    works = kept(works)
    untrained = {work.folder: work for work in works if not work.trained}
    trained = {work.folder: work for work in works if work.trained}
    sets = {work.data for work in works}
    asked = sum(len(work.exams) for work in works)
    done = asked - sum(len(work.unjudged()) for work in works)
    said = (
        f"{study.question}\n{len(untrained) + len(trained)} trainings ({len(trained)} done"
        f"{f'; {len(diverged)} more diverged' * (len(diverged) > 0)}) on {len(sets)} "
        f"sets of demonstrations, {asked} evaluations ({done} done"
        f"{f'; {left_out} do not fit their policies and are left out' * (left_out > 0)})."
    )
    left = sum(updates_left(work.config, work.folder) for work in untrained.values())
    trainings = [(work.config, work.cell.point.record) for work in untrained.values()]
    costs = measure_if_long(trainings, left, at_once)
    cost = "" if costs is None else f"\n{_cost(study, works, costs, at_once)}"
    return f"{said}{cost}\nStopped at any time, the same command goes on."


def _cost(study: Study, works: Sequence[CellRun], costs: Costs, at_once: int) -> str:
    """What is left to do costs, and how it may cost less."""
    untrained = {work.folder: work for work in works if not work.trained}.values()
    trained = {work.folder: work for work in works if work.trained}.values()
    missing = {work.data: work for work in untrained if not work.data.exists()}.values()
    recording = sum((costs.recording(work.cell.point.record) for work in missing), 0.0)
    training = 0.0
    for work in untrained:
        alike = [_seconds_per_update(one) for one in trained if one.cell.levels == work.cell.levels]
        rate = sum(alike) / len(alike) if alike else costs.update(work.config)
        training += updates_left(work.config, work.folder) * rate
    judging = 0.0
    for work in works:
        planned = (work.config, work.cell.point.record)
        for name, (exam, condition) in work.exams.items():
            if work.result(name) is None:
                judging += costs.evaluation(exam, planned, fails=condition != "test")
    total = recording + training + judging
    cores = f" on {at_once} cores" if at_once > 1 else ""
    return (
        f"{about(total / at_once).capitalize()}{cores}, {as_measured()}: of one core {about(recording)} to "
        f"record, {about(training)} to train, {about(judging)} to judge. {_shorter(study)}"
    )


def _shorter(study: Study) -> str:
    if study.seeds == 1:
        return "Shorter: fewer `updates` or episodes in the study's file."
    return (
        f"Shorter: with `seeds=1` in the study's file about 1/{study.seeds} of it; raised to {study.seeds} "
        "later, the same command adds the other trainings."
    )


def _seconds_per_update(work: CellRun) -> float:
    summary = read_json(work.folder / "summary.json")
    return summary["train_cpu_seconds"] / summary["updates"]
