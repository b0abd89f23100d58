"""Runs a study: records what is needed, trains and judges its cells side by side, and sums up.

Everything is kept in one folder, and nothing that was finished is done again, not even after a crash:

    OUT/study.json           the study, and the fingerprint of the code that makes its results
    OUT/data/NAME            demonstrations, shared by the cells that ask for the same
    OUT/held_out/NAME        a few that no cell learns from, for the open-loop error
    OUT/cells/NAME           one training each, with its evaluations; or a note that it diverged
    OUT/results.html, .md, .svg, .json   the summary
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...eval.rollout.worker_pool import usable_cores
from ..data.files import exclusive, write_json
from ..parallel import RunJobs, run_parallel
from ..recording.record import record
from .cell import CellRun, exams, kept
from .definition import Cell, Study, with_precision
from .estimate import cost_estimate
from .manifest import auto_precision, open_manifest
from .results import data_fingerprints, sum_up


def run_study(
    study: Study, out: Path, *, run_jobs: RunJobs = run_parallel, at_once: int | None = None
) -> Path:
    """Does what is left to do in `out` and returns the path of the summary.

    Args:
        run_jobs: how cells are run, each on one core.
        at_once: how many at a time; by default as many as there are cores.

    Raises:
        ValueError: `out` holds another study, or unfinished results of another version of the code; or too
            many trainings diverged for a summary.
        TrainingError: a cell failed.
    """
    at_once = at_once or usable_cores()
    with exclusive(out / "state", wait=False):
        auto = auto_precision(study, out)
        study = with_precision(study, auto)
        cells = study.cells()
        tuning = _tuning(study, cells, out)
        tuned = all(work.done() for work in tuning)
        # Until it is chosen, the first level stands for the chosen one, to know how much there is to do.
        chosen = _chosen(study, cells, tuning, out) if tuned else _any(study, cells)
        works = _judging(study, chosen, out)
        code = open_manifest(study, out, auto=auto, finished=tuned and all(work.done() for work in works))
        left_out = len(works) * len(study.evaluations) - sum(len(work.exams) for work in works)
        print(cost_estimate(study, [*tuning, *works], left_out, at_once), flush=True)
        if not tuned:
            _do(tuning, run_jobs, at_once)
            works = _judging(study, _chosen(study, cells, tuning, out), out)
        _do(works, run_jobs, at_once)
        return sum_up(study, [*tuning, *works], works, code, out)


def _judging(study: Study, cells: Sequence[Cell], out: Path) -> list[CellRun]:
    return [CellRun(cell, out, exams(cell, study.evaluations)) for cell in cells]


def _tuning(study: Study, cells: Sequence[Cell], out: Path) -> list[CellRun]:
    """What has to be done before the levels of the tuned axis can be chosen."""
    if study.sweep is None:
        return []
    validation = {"exam.split": "validation", "exam.episodes": study.validation_episodes, "condition": "test"}
    return [CellRun(cell, out, exams(cell, {"tune": validation})) for cell in cells if cell.seed == 0]


def _chosen(study: Study, cells: Sequence[Cell], tuning: Sequence[CellRun], out: Path) -> list[Cell]:
    """The cells that are left when each takes its best level of the tuned axis.

    Raises:
        ValueError: a cell diverged at all levels.
    """
    if study.sweep is None:
        return list(cells)
    best: dict[tuple[str, ...], tuple[float, str]] = {}
    for work in kept(tuning):
        result = work.result("tune")
        assert result is not None
        key, rate = _untuned(study, work.cell), result.successes / len(result.episodes)
        if key not in best or rate > best[key][0]:
            best[key] = rate, work.cell.levels[study.sweep]
    for work in tuning:
        if (key := _untuned(study, work.cell)) not in best:
            raise ValueError(
                f"{', '.join(key) or 'the only cell'} diverged at every level of {study.sweep!r}"
            )
    write_json(out / "tuning.json", {", ".join(key): level for key, (_, level) in best.items()})
    return [cell for cell in cells if cell.levels[study.sweep] == best[_untuned(study, cell)][1]]


def _any(study: Study, cells: Sequence[Cell]) -> list[Cell]:
    assert study.sweep is not None
    first = next(iter(study.axes[study.sweep]))
    return [cell for cell in cells if cell.levels[study.sweep] == first]


def _untuned(study: Study, cell: Cell) -> tuple[str, ...]:
    return tuple(f"{axis}={level}" for axis, level in cell.levels.items() if axis != study.sweep)


def _do(works: Sequence[CellRun], run_jobs: RunJobs, at_once: int) -> None:
    works = kept(works)
    held_out = {config.root: config for config in (work.held_out for work in works if not work.done())}
    for work in {work.data: work for work in works if not work.trained}.values():
        record(replace(work.cell.point.record, root=work.data))
    for config in held_out.values():
        record(config)
    data_fingerprints(works)
    run_jobs([work.job() for work in works if not work.done()], at_once)
