"""Runs a study: records what is needed, trains and judges its cells side by side, and sums up.

Everything is kept in one folder, and nothing that was finished is done again, not even after a crash:

    OUT/study.json           the study, and the fingerprint of the code that makes its results
    OUT/data/NAME            demonstrations, shared by the cells that ask for the same
    OUT/held_out/NAME        a few that no cell learns from, for the open-loop error
    OUT/cells/NAME           one training each, with its evaluations; or a note that it diverged
    OUT/results.html, .md, .json   the summary
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from ..eval.cell import EXPERT
from ..eval.pool import usable_cores
from ..eval.result import EvalResult
from ..eval.study_film import film_study
from ..eval.study_report import write_study
from ..eval.study_summary import StudyResult, summarise
from ..eval.training import OPEN_LOOP, Training
from .data.files import exclusive, write_json
from .data.merge import open_data
from .held_out import EPISODES, SEEDS
from .judge import Contestant, Exam, judge
from .record import RecordConfig, record
from .side_by_side import RunJobs, run_side_by_side
from .study import Cell, Study
from .study_cell import SUMMARY, Work, exams
from .study_claim import FILE, claim, code_fingerprint
from .study_plan import plan

SHOWN = {
    "task": "record.task",
    "demonstrations": "record.episodes",
    "control rate [Hz]": "record.control_hz",
    "disturbances": "record.noise",
    "updates": "train.updates",
    "batch size": "train.batch_size",
    "optimiser": "train.optim",
    "chunk": "train.data.chunk",
    "head": "train.policy.head",
    "trunk": "train.policy.trunk",
}
"""What the report says of the cells, where they have it in common: its name -> field of `Point`."""


def run_study(
    study: Study, out: Path, *, run_jobs: RunJobs = run_side_by_side, at_once: int | None = None
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
        cells = study.cells()
        tuning = _tuning(study, cells, out)
        tuned = all(work.done() for work in tuning)
        # Until it is chosen, the first level stands for the chosen one, to know how much there is to do.
        chosen = _chosen(study, cells, tuning, out) if tuned else _any(study, cells)
        works = _judging(study, chosen, out)
        code = claim(study, out, finished=tuned and all(work.done() for work in works))
        left_out = len(works) * len(study.judged) - sum(len(work.exams) for work in works)
        print(plan(study, [*tuning, *works], left_out, at_once), flush=True)
        if not tuned:
            _do(tuning, run_jobs, at_once)
            works = _judging(study, _chosen(study, cells, tuning, out), out)
        _do(works, run_jobs, at_once)
        diverged = _diverged([*tuning, *works])
        tuning, works = _kept(tuning), _kept(works)
        if not works:
            raise ValueError(f"no training is left to compare, all diverged: {diverged['diverged']}")
        data = _data_fingerprints([*tuning, *works])
        made = {"code": code[:12], "data": ", ".join(fingerprint[:12] for fingerprint in data.values())}
        results = _results(works)
        experts, clips = [], []
        if code == code_fingerprint():
            experts = _experts(cells, out)
            clips = film_study(summarise(results, study.tune), out / "videos", _filmed(study, cells, works))
        else:
            print("The results are of another version of the code: no videos, no expert beside them.")
        if any((work.folder / OPEN_LOOP).exists() for work in works):
            made["open-loop error"] = f"on {EPISODES} demonstrations from seed {SEEDS.start}"
        fixed = _fixed(study) | diverged | _when(out, works) | made
        return write_study(
            out, study.question, results, fixed, tuned=study.tune, experts=experts, clips=clips
        )


def _judging(study: Study, cells: Sequence[Cell], out: Path) -> list[Work]:
    return [Work(cell, out, exams(cell, study.judged)) for cell in cells]


def _tuning(study: Study, cells: Sequence[Cell], out: Path) -> list[Work]:
    """What has to be done before the levels of the tuned axis can be chosen."""
    if study.tune is None:
        return []
    validation = {"exam.split": "validation", "exam.episodes": study.validation_episodes, "condition": "test"}
    return [Work(cell, out, exams(cell, {"tune": validation})) for cell in cells if cell.seed == 0]


def _chosen(study: Study, cells: Sequence[Cell], tuning: Sequence[Work], out: Path) -> list[Cell]:
    """The cells that are left when each takes its best level of the tuned axis.

    Raises:
        ValueError: a cell diverged at all levels.
    """
    if study.tune is None:
        return list(cells)
    best: dict[tuple[str, ...], tuple[float, str]] = {}
    for work in _kept(tuning):
        result = work.result("tune")
        assert result is not None
        key, level = _untuned(study, work.cell), work.cell.levels[study.tune]
        best[key] = max(best.get(key, (-1.0, "")), (result.successes / len(result.episodes), level))
    for work in tuning:
        if (key := _untuned(study, work.cell)) not in best:
            raise ValueError(f"{', '.join(key) or 'the only cell'} diverged at every level of {study.tune!r}")
    write_json(out / "tuning.json", {", ".join(key): level for key, (_, level) in best.items()})
    return [cell for cell in cells if cell.levels[study.tune] == best[_untuned(study, cell)][1]]


def _any(study: Study, cells: Sequence[Cell]) -> list[Cell]:
    assert study.tune is not None
    first = next(iter(study.axes[study.tune]))
    return [cell for cell in cells if cell.levels[study.tune] == first]


def _untuned(study: Study, cell: Cell) -> tuple[str, ...]:
    return tuple(f"{axis}={level}" for axis, level in cell.levels.items() if axis != study.tune)


def _kept(works: Sequence[Work]) -> list[Work]:
    """Those that did not diverge."""
    return [work for work in works if work.diverged is None]


def _diverged(works: Sequence[Work]) -> dict[str, str]:
    """What the report says of those that did, if any."""
    found = {w.cell.name: f"at update {w.diverged} of {w.config.updates}" for w in works if w.diverged}
    return {"diverged": "; ".join(f"{name} {when}" for name, when in found.items())} if found else {}


def _do(works: Sequence[Work], run_jobs: RunJobs, at_once: int) -> None:
    works = _kept(works)
    held_out = {config.root: config for config in (work.held_out for work in works if not work.done())}
    for work in {work.data: work for work in works if not work.trained}.values():
        record(replace(work.cell.point.record, root=work.data))
    for config in held_out.values():
        record(config)
    _data_fingerprints(works)
    run_jobs([work.job() for work in works if not work.done()], at_once)


def _data_fingerprints(works: Sequence[Work]) -> dict[Path, str]:
    """Fingerprint of each set of demonstrations: of what was trained on, and of what will be.

    Raises:
        ValueError: they were exchanged in between.
    """
    found: dict[Path, str] = {}
    opened = {work.data: open_data(work.data).fingerprint for work in works if not work.trained}
    for work in works:
        there = work.data_fingerprint() or opened[work.data]
        if found.setdefault(work.data, opened.get(work.data, there)) != there:
            raise ValueError(
                f"{work.folder} was trained on demonstrations with fingerprint {there[:12]}, other cells on "
                f"{found[work.data][:12]}, though both are to learn from {work.data}: they were exchanged in "
                "between. Delete the cells that learned from the wrong ones, and run the same command again"
            )
    return found


def _results(works: Sequence[Work]) -> list[StudyResult]:
    found = []
    for work in works:
        training = Training.load(work.folder)
        for name in work.exams:
            result = work.result(name)
            assert result is not None
            found.append(StudyResult(work.cell.levels, work.cell.seed, name, result, training))
    return found


def _filmed(study: Study, cells: Sequence[Cell], works: Sequence[Work]) -> list[Mapping[str, str]]:
    """What is to be filmed, but for cells of which no training is left."""
    there, left = [cell.levels for cell in cells], [work.cell.levels for work in works]

    def within(wanted: Mapping[str, str], found: Sequence[Mapping[str, str]]) -> bool:
        return any(wanted.items() <= levels.items() for levels in found)

    return [wanted for wanted in study.filmed if within(wanted, left) or not within(wanted, there)]


def _experts(cells: Sequence[Cell], out: Path) -> list[EvalResult]:
    """The scripted expert in the cells' episodes; none if they are not at the rate at which it is judged."""
    if any(cell.point.record.control_hz != RecordConfig.control_hz for cell in cells):
        return []
    expert = Contestant(EXPERT, None, out / EXPERT)
    asked = {cell.point.exam.task: Exam(cell.point.exam.task, cell.point.exam.episodes) for cell in cells}
    return [judge(expert, exam, "test") for exam in asked.values()]


def _when(out: Path, works: Sequence[Work]) -> dict[str, str]:
    """Days of the beginning and of the last training."""
    times = [(out / FILE).stat().st_mtime, max((work.folder / SUMMARY).stat().st_mtime for work in works)]
    begun, finished = (datetime.fromtimestamp(time).date().isoformat() for time in times)
    return {"begun": begun, "trainings finished": finished}


def _fixed(study: Study) -> dict[str, Any]:
    """What all cells have in common, in a few words."""
    points, fixed = [cell.point for cell in study.cells()], {}
    for name, path in SHOWN.items():
        first, *others = map(attrgetter(path), points)
        if all(value == first for value in others):
            fixed[name] = first
    return fixed | {"tuned on validation seeds": study.tune or "nothing", "trainings a cell": study.seeds}
