"""Runs a study: records what is needed, trains its cells side by side, judges them, and sums up.

Everything is kept in one folder, and nothing that was finished is done again, not even after a crash:

    OUT/study.json           the study and the fingerprint of the code
    OUT/data/NAME            demonstrations, shared by the cells that ask for the same
    OUT/cells/NAME           one training each, with its evaluations
    OUT/results.html, .md, .json   the summary
"""

import functools
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..eval.pool import usable_cores
from ..eval.study_report import write_study
from ..eval.study_summary import StudyResult
from .cli.catalog import ROOT
from .data.files import read_json, write_json
from .judge import Contestant, Exam, judge
from .record import record
from .side_by_side import Job, run_side_by_side
from .study import Cell, Changes, Study, apply, description

ROOMS = ("envs", "vision", "policies", "eval", "train")
SECONDS_PER_UPDATE = 0.085
"""Of a tiny policy on one core, for the estimate before the start [s]."""


def run_study(study: Study, out: Path) -> Path:
    """Does what is left to do in `out` and returns the path of the summary.

    Raises:
        ValueError: `out` holds another study, or results of another version of the code.
    """
    _claim(study, out)
    cells = study.cells()
    print(_plan(study, cells, out), flush=True)
    for cell in cells:
        record(replace(cell.point.record, root=out / "data" / cell.data))
    if study.tune is not None:
        cells = _tuned(study, cells, out)
    _train(cells, out)
    results = [
        StudyResult(cell.levels, cell.seed, name, judge(_contestant(cell, out), _exam(cell, changes), "test"))
        for cell in cells
        for name, changes in study.judged.items()
    ]
    return write_study(out, study.question, results, _fixed(study))


def code_fingerprint() -> str:
    """SHA-256 over the source of the rooms, in hexadecimal: results of different ones are not mixed."""
    total = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def _fixed(study: Study) -> dict[str, Any]:
    """What all cells have in common, in a few words."""
    base, varied = study.base, {path for levels in study.axes.values() for c in levels.values() for path in c}
    parts = {
        "record.task": ("task", base.record.task),
        "record.episodes": ("demonstrations", base.record.episodes),
        "record.control_hz": ("control rate [Hz]", base.record.control_hz),
        "record.noise": ("disturbances", base.record.noise),
        "train.updates": ("updates", base.train.updates),
        "train.batch_size": ("batch size", base.train.batch_size),
        "train.optim": ("optimiser", base.train.optim),
        "train.data.chunk": ("chunk", base.train.data.chunk),
        "train.policy.head": ("head", base.train.policy.head),
        "train.policy.trunk": ("trunk", base.train.policy.trunk),
    }
    fixed = {
        name: value for path, (name, value) in parts.items() if not any(v.startswith(path) for v in varied)
    }
    return fixed | {"tuned on validation seeds": study.tune or "nothing", "trainings a cell": study.seeds}


def _claim(study: Study, out: Path) -> None:
    asked = {"study": description(study), "code": code_fingerprint()}
    path = out / "study.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, asked)
        return
    found = read_json(path)
    if found["study"] != asked["study"]:
        raise ValueError(f"{out} holds another study, or an earlier form of it: choose another --out")
    if found["code"] != asked["code"]:
        raise ValueError(
            f"{out} was begun with another version of the code ({found['code'][:12]}, now "
            f"{asked['code'][:12]}), and its results are not mixed with new ones: choose another --out, or "
            "go back to that version"
        )


def _plan(study: Study, cells: list[Cell], out: Path) -> str:
    cores = usable_cores()
    todo = [cell for cell in cells if not (out / "cells" / cell.name / "summary.json").exists()]
    minutes = sum(cell.point.train.updates for cell in todo) * SECONDS_PER_UPDATE / 60
    sets = {cell.data for cell in cells}
    return (
        f"{study.question}\n{len(cells)} trainings ({len(cells) - len(todo)} done) on {len(sets)} sets of "
        f"demonstrations, each judged in {len(study.judged)} ways.\nAbout {minutes:.0f} CPU-minutes of "
        f"training at a tiny size, {minutes / cores:.0f} minutes on {cores} cores. Stopped at any time, the "
        "same command goes on."
    )


def _tuned(study: Study, cells: list[Cell], out: Path) -> list[Cell]:
    """The cells that are left when each takes its best level of the tuned axis."""
    assert study.tune is not None
    first = [cell for cell in cells if cell.seed == 0]
    _train(first, out)
    best: dict[tuple[str, ...], tuple[float, str]] = {}
    for cell in first:
        exam = replace(cell.point.exam, split="validation", episodes=study.validation_episodes)
        result = judge(_contestant(cell, out), exam, "test")
        key, level = _untuned(study, cell), cell.levels[study.tune]
        best[key] = max(best.get(key, (-1.0, "")), (result.successes / len(result.episodes), level))
    write_json(out / "tuning.json", {", ".join(key): level for key, (_, level) in best.items()})
    return [cell for cell in cells if cell.levels[study.tune] == best[_untuned(study, cell)][1]]


def _untuned(study: Study, cell: Cell) -> tuple[str, ...]:
    return tuple(f"{axis}={level}" for axis, level in cell.levels.items() if axis != study.tune)


def _train(cells: list[Cell], out: Path) -> None:
    from .loop import train

    jobs = []
    for cell in cells:
        folder = out / "cells" / cell.name
        if (folder / "summary.json").exists():
            continue
        data = replace(cell.point.train.data, root=out / "data" / cell.data)
        config = replace(cell.point.train, data=data, threads=1)
        run = functools.partial(train, config, folder, bar=False)
        jobs.append(Job(cell.name, folder, config.updates, run))
    run_side_by_side(jobs, at_once=usable_cores())


def _contestant(cell: Cell, out: Path) -> Contestant:
    folder = out / "cells" / cell.name
    return Contestant(cell.name, folder / "policy", folder / "eval")


def _exam(cell: Cell, changes: Changes) -> Exam:
    return apply(cell.point, changes).exam
