"""What is left of a study to do, and what it will cost, told before it starts."""

from collections.abc import Sequence

from ..data.files import read_json
from .cell import CellRun, kept
from .definition import Study

SECONDS_PER_DEMONSTRATION = 0.1
SECONDS_PER_UPDATE = 0.085
"""Of a tiny policy on one core [s], as long as nothing has been measured; so are the others."""
SECONDS_PER_EPISODE = 0.3


def cost_estimate(study: Study, works: Sequence[CellRun], left_out: int, at_once: int) -> str:
    """A few lines about `works`, of which `at_once` are done at a time.

    Args:
        left_out: how many evaluations a cell's policy does not allow.
    """
    diverged = {work.folder for work in works if work.diverged is not None}
    works = kept(works)
    untrained = {work.folder: work for work in works if not work.trained}
    trained = {work.folder: work for work in works if work.trained}
    sets = {work.data: work.cell.point.record.episodes for work in works}
    missing = {work.data for work in untrained.values()} - {root for root in sets if root.exists()}
    recording = sum(sets[root] for root in missing) * SECONDS_PER_DEMONSTRATION

    measured = [(work, _seconds_per_update(work)) for work in trained.values()]
    training = 0.0
    for work in untrained.values():
        alike = [rate for one, rate in measured if one.cell.levels == work.cell.levels]
        rates = alike or [rate for _, rate in measured] or [SECONDS_PER_UPDATE]
        training += work.config.updates * sum(rates) / len(rates)

    results = [result for work in works for name in work.exams if (result := work.result(name)) is not None]
    seconds, episodes = sum(r.wall_seconds for r in results), sum(len(r.episodes) for r in results)
    exams = [exam for work in works for exam in work.unjudged()]
    judging = sum(exam.episodes for exam in exams) * (seconds / episodes if episodes else SECONDS_PER_EPISODE)

    asked = sum(len(work.exams) for work in works)
    total = (recording + training + judging) / 60
    known = "as measured on what is done" if measured else "if the policies are tiny"
    return (
        f"{study.question}\n{len(untrained) + len(trained)} trainings ({len(trained)} done"
        f"{f'; {len(diverged)} more diverged' * (len(diverged) > 0)}) on {len(sets)} "
        f"sets of demonstrations, {asked} evaluations ({len(results)} done"
        f"{f'; {left_out} do not fit their policies and are left out' * (left_out > 0)}).\n"
        f"About {total:.0f} CPU-minutes ({recording / 60:.0f} to record, {training / 60:.0f} to train, "
        f"{judging / 60:.0f} to judge), {total / at_once:.0f} minutes on {at_once} cores, {known}. "
        "Stopped at any time, the same command goes on."
    )


def _seconds_per_update(work: CellRun) -> float:
    summary = read_json(work.folder / "summary.json")
    return summary["train_cpu_seconds"] / summary["updates"]
