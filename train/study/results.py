"""Sums up what a study trained and judged: its results, what they have in common, and videos of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from ...eval.report.study import write_study
from ...eval.result import EXPERT, EvalResult
from ...eval.study.clips import film_study
from ...eval.study.summary import StudyResult, summarise
from ...eval.training_record import OPEN_LOOP, TrainingRecord
from ..data.files import read_json
from ..data.merge import open_data
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached, load_cached
from .cell import SUMMARY, CellRun, kept
from .definition import Study
from .held_out import EPISODES, SEEDS
from .manifest import FILE, code_fingerprint

SHOWN = {
    "task": "record.task",
    "demonstrations": "record.episodes",
    "control rate [Hz]": "record.control_hz",
    "disturbances": "record.noise",
    "updates": "train.updates",
    "batch size": "train.batch_size",
    "optimiser": "train.optim",
    "precision": "train.precision",
    "chunk": "train.data.chunk",
    "head": "train.policy.head",
    "trunk": "train.policy.trunk",
}
"""What the report says of the cells, where they have it in common: its name -> field of `Point`."""


def sum_up(study: Study, works: Sequence[CellRun], judged: Sequence[CellRun], code: str, out: Path) -> Path:
    """Writes the summary into `out` and returns its path.

    Args:
        works: all that was trained.
        judged: what of it is compared: not what was trained to tune an axis alone.
        code: fingerprint of the code that the results are of.

    Raises:
        ValueError: all that is compared diverged.
    """
    diverged = _diverged(works)
    judged = kept(judged)
    if not judged:
        raise ValueError(f"no training is left to compare, all diverged: {diverged['diverged']}")
    fingerprints = data_fingerprints(kept(works)).values()
    made = {"code": code[:12], "data": ", ".join(fingerprint[:12] for fingerprint in fingerprints)}
    if any((work.folder / OPEN_LOOP).exists() for work in judged):
        made["open-loop error"] = f"on {EPISODES} demonstrations from seed {SEEDS.start}"
    if later := read_json(out / FILE).get("later"):
        made["asked later, with the other results known"] = "; ".join(later)
    results = _results(judged)
    same = code == code_fingerprint()
    experts = _experts(judged, out, evaluate_cached if same else load_cached)
    fixed = _fixed(study) | diverged | _when(out, judged) | made
    write = partial(write_study, out, study.question, results, fixed, tuned=study.sweep, experts=experts)
    report = write()
    if not same:
        print("The results are of another version of the code: no videos.")
        return report
    return write(clips=film_study(summarise(results, study.sweep), out / "videos", _filmed(study, judged)))


def _diverged(works: Sequence[CellRun]) -> dict[str, str]:
    """What the report says of those that did, if any."""
    found = {w.cell.name: f"at update {w.diverged} of {w.config.updates}" for w in works if w.diverged}
    return {"diverged": "; ".join(f"{name} {when}" for name, when in found.items())} if found else {}


def data_fingerprints(works: Sequence[CellRun]) -> dict[Path, str]:
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


def _results(works: Sequence[CellRun]) -> list[StudyResult]:
    found = []
    for work in works:
        training = TrainingRecord.load(work.folder)
        for name in work.exams:
            result = work.result(name)
            assert result is not None
            found.append(StudyResult(work.cell.levels, work.cell.seed, name, result, training))
    return found


def _filmed(study: Study, works: Sequence[CellRun]) -> list[Mapping[str, str]]:
    """What is to be filmed, but for cells of which no training is left."""
    left = [work.cell.levels for work in works]
    return [wanted for wanted in study.videos if any(wanted.items() <= levels.items() for levels in left)]


def _experts(works: Sequence[CellRun], out: Path, get: Callable[..., EvalResult | None]) -> list[EvalResult]:
    """The scripted expert in the cells' episodes; none if cells differ in robot or control rate.

    Args:
        get: `evaluate_cached`, or `load_cached` for those alone that have been judged.
    """
    points = [work.cell.point for work in works]
    bodies = {(point.record.robot, point.record.control_hz) for point in points}
    if len(bodies) > 1:
        return []
    robot, rate = bodies.pop()
    body = {"control_hz": rate} | ({"robot": robot} if robot else {})
    expert = EvalTarget(EXPERT, None, out / EXPERT, body)
    asked = {point.exam.task: EvalConfig(point.exam.task, point.exam.episodes) for point in points}
    found = [get(expert, exam, "test") for exam in asked.values()]
    return [result for result in found if result is not None]


def _when(out: Path, works: Sequence[CellRun]) -> dict[str, str]:
    """Days of the beginning and of the last training."""
    trained = [(work.folder / SUMMARY).stat().st_mtime for work in works]
    times = [min((out / FILE).stat().st_mtime, *trained), max(trained)]  # a study that grows is written anew
    begun, finished = (datetime.fromtimestamp(time).date().isoformat() for time in times)
    return {"begun": begun, "trainings finished": finished}


def _fixed(study: Study) -> dict[str, Any]:
    """What all cells have in common, in a few words."""
    points, fixed = [cell.point for cell in study.cells()], {}
    for name, path in SHOWN.items():
        first, *others = map(attrgetter(path), points)
        if all(value == first for value in others):
            fixed[name] = first
    return fixed | {"tuned on validation seeds": study.sweep or "nothing", "trainings a cell": study.seeds}
