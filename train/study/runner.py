"""Runs a study: records demonstrations, trains and evaluates the cells in parallel, and writes the report.

Everything is kept in one folder, and finished work is never repeated, not even after a crash:

    OUT/study.json           the study, and the fingerprint of the code that makes its results
    OUT/data/NAME            demonstrations, shared by the cells that need the same ones
    OUT/held_out/NAME        a few that no training uses, for the open-loop error
    OUT/cells/NAME           one training and its evaluations, or a note that it diverged
    OUT/results.html, .md, .svg, .json   the report
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...common.errors import InputError
from ...envs.simulation.pool import usable_cores
from ...eval.study.level import Level, level_text
from ..data.files import exclusive, write_sealed
from ..parallel import RunJobs, run_parallel
from ..recording.record import record
from .cell import CellRun, evaluations_of, not_diverged
from .definition import Cell, Evaluations, Study, named, with_precision
from .estimate import cost_estimate
from .manifest import auto_precision, open_manifest
from .results import data_fingerprints, summarize_study

_SWEEP = "tune"
"""Name of the evaluation on validation seeds; it never reaches a file."""


def run_study(
    study: Study, out: Path, *, run_jobs: RunJobs = run_parallel, at_once: int | None = None
) -> Path:
    """Does the remaining work of a study in `out` and returns the path of the report.

    Args:
        study: what to run.
        out: folder of the study.
        run_jobs: runs the cells, each on one core.
        at_once: number of cells that run at a time; by default the number of cores.

    Raises:
        ValueError: `out` holds another study, or unfinished results of another version of the code; or too
            many trainings diverged.
        TrainingError: a cell failed.
    """
    at_once = at_once or usable_cores()
    with exclusive(out / "state", wait=False):
        auto = auto_precision(study, out)
        study = with_precision(study, auto)
        cells = study.cells()
        sweep = _sweep_runs(study, cells, out)
        swept = all(run.done() for run in sweep)
        # Until the level is chosen, the first one stands in for it, to know how much there is to do.
        chosen = _chosen(study, cells, sweep, out) if swept else _first_level(study, cells)
        runs = _runs(chosen, study.evaluations, out)
        code = open_manifest(study, out, auto=auto, finished=swept and all(run.done() for run in runs))
        left_out = len(runs) * len(named(study.evaluations)) - sum(len(run.evaluations) for run in runs)
        print(cost_estimate(study, [*sweep, *runs], left_out, at_once), flush=True)
        if not swept:
            _run(sweep, run_jobs, at_once)
            runs = _runs(_chosen(study, cells, sweep, out), study.evaluations, out)
        _run(runs, run_jobs, at_once)
        return summarize_study(study, [*sweep, *runs], runs, code, out)


def _runs(cells: Sequence[Cell], evaluations: Evaluations, out: Path) -> list[CellRun]:
    return [CellRun(cell, out, evaluations_of(cell, evaluations)) for cell in cells]


def _sweep_runs(study: Study, cells: Sequence[Cell], out: Path) -> list[CellRun]:
    """Runs that are needed before the levels of the swept factor can be chosen."""
    if study.sweep is None:
        return []
    validation = {
        "evaluation.split": "validation",
        "evaluation.episodes": study.validation_episodes,
        "condition": "test",
    }
    return _runs([cell for cell in cells if cell.seed == 0], {_SWEEP: validation}, out)


def _chosen(study: Study, cells: Sequence[Cell], sweep: Sequence[CellRun], out: Path) -> list[Cell]:
    """The cells that remain when each takes its best level of the swept factor.

    Raises:
        ValueError: a cell diverged at all levels.
    """
    if study.sweep is None:
        return list(cells)
    best: dict[tuple[str, ...], tuple[float, Level]] = {}
    for run in not_diverged(sweep):
        result = run.result(_SWEEP)
        assert result is not None
        key, rate = _other_levels(study, run.cell), result.successes / len(result.episodes)
        if key not in best or rate > best[key][0]:
            best[key] = rate, run.cell.levels[study.sweep]
    for run in sweep:
        if (key := _other_levels(study, run.cell)) not in best:
            raise InputError(
                f"{', '.join(key) or 'the only cell'} diverged at every level of {study.sweep!r}"
            )
    write_sealed(out / "tuning.json", {", ".join(key): level_text(level) for key, (_, level) in best.items()})
    return [cell for cell in cells if cell.levels[study.sweep] == best[_other_levels(study, cell)][1]]


def _first_level(study: Study, cells: Sequence[Cell]) -> list[Cell]:
    assert study.sweep is not None
    first = cells[0].levels[study.sweep]
    return [cell for cell in cells if cell.levels[study.sweep] == first]


def _other_levels(study: Study, cell: Cell) -> tuple[str, ...]:
    """Levels of all factors but the swept one."""
    return tuple(
        f"{label}={level_text(level)}" for label, level in cell.levels.items() if label != study.sweep
    )


def _run(runs: Sequence[CellRun], run_jobs: RunJobs, at_once: int) -> None:
    runs = not_diverged(runs)
    held_out = {config.root: config for config in (run.held_out for run in runs if not run.done())}
    for run in {run.data: run for run in runs if not run.trained}.values():
        record(replace(run.cell.point.record, root=run.data))
    for config in held_out.values():
        record(config)
    data_fingerprints(runs)
    run_jobs([run.job() for run in runs if not run.done()], at_once)
