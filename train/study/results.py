"""Summarizes a study: its results, the settings that its cells share, and videos."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from ...common.errors import InputError
from ...envs.config import EnvConfig
from ...eval.report.study import write_study
from ...eval.result import EXPERT, EvalResult
from ...eval.study.clips import film_study
from ...eval.study.level import Level, level_text
from ...eval.study.summary import StudyResult
from ...eval.training_record import OPEN_LOOP, TrainingRecord
from ..data.merge import open_data
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached, load_cached
from .cell import SUMMARY, CellRun, not_diverged
from .definition import Study, named
from .held_out import EPISODES, SEEDS
from .manifest import FILE, code_fingerprint, read_manifest

SHOWN = {
    "task": "record.env.task",
    "demonstrations": "record.episodes",
    "control rate [Hz]": "record.env.control_hz",
    "disturbances": "record.noise",
    "updates": "train.updates",
    "batch size": "train.batch_size",
    "optimizer": "train.optim",
    "precision": "train.precision",
    "chunk": "train.data.chunk",
    "head": "train.policy.head",
    "trunk": "train.policy.trunk",
}
"""Settings that the report lists if all cells share them: name -> field of `Point`."""


def summarize_study(
    study: Study, runs: Sequence[CellRun], compared: Sequence[CellRun], code: str, out: Path
) -> Path:
    """Writes the report into `out` and returns its path.

    Args:
        study: what was run.
        runs: all trainings.
        compared: the trainings to compare, without those that only served the sweep.
        code: fingerprint of the code that made the results.
        out: folder of the study.

    Raises:
        ValueError: all trainings to compare diverged.
    """
    diverged = _diverged(runs)
    compared = not_diverged(compared)
    if not compared:
        raise InputError(f"no training is left to compare, all diverged: {diverged['diverged']}")
    fingerprints = data_fingerprints(not_diverged(runs)).values()
    made = {"code": code[:12], "data": ", ".join(fingerprint[:12] for fingerprint in fingerprints)}
    if any((run.folder / OPEN_LOOP).exists() for run in compared):
        made["open-loop error"] = f"on {EPISODES} demonstrations from seed {SEEDS.start}"
    if later := read_manifest(out).get("later"):
        made["added later, with the other results known"] = "; ".join(later)
    same = code == code_fingerprint()
    if not same:
        print("No videos: the results were made by a different version of the code.")
    return write_study(
        out,
        study.question,
        _results(study, compared),
        _fixed(study) | diverged | _when(out, compared) | made,
        tuned=study.sweep,
        experts=_experts(compared, out, evaluate_cached if same else load_cached),
        videos=partial(film_study, folder=out / "videos", shown=_shown(study, compared)) if same else None,
    )


def _diverged(runs: Sequence[CellRun]) -> dict[str, str]:
    """Entry of the protocol that lists diverged trainings, if any."""
    found = {r.cell.name: f"at update {r.diverged} of {r.config.updates}" for r in runs if r.diverged}
    return {"diverged": "; ".join(f"{name} {when}" for name, when in found.items())} if found else {}


def data_fingerprints(runs: Sequence[CellRun]) -> dict[Path, str]:
    """Fingerprint of each set of demonstrations, used or about to be used.

    Raises:
        ValueError: the demonstrations changed between trainings.
    """
    found: dict[Path, str] = {}
    opened = {run.data: open_data(run.data).fingerprint for run in runs if not run.trained}
    for run in runs:
        used = run.data_fingerprint() or opened[run.data]
        if found.setdefault(run.data, opened.get(run.data, used)) != used:
            raise InputError(
                f"{run.folder} was trained on demonstrations with fingerprint {used[:12]}, other cells on "
                f"{found[run.data][:12]}, although both use {run.data}: the demonstrations changed in "
                "between. Delete the cells trained on the wrong ones, and run the same command again"
            )
    return found


def _results(study: Study, runs: Sequence[CellRun]) -> list[StudyResult]:
    found, evaluations = [], named(study.evaluations)
    for run in runs:
        training = TrainingRecord.load(run.folder)
        for name in run.evaluations:
            result = run.result(name)
            assert result is not None
            settings = evaluations[name].settings
            found.append(StudyResult(run.cell.levels, run.cell.seed, name, result, training, settings))
    return found


def _shown(study: Study, runs: Sequence[CellRun]) -> list[Mapping[str, Level]]:
    """Levels of the cells to show in videos, without cells of which no training is left."""
    found = []
    for wanted in study.videos:
        texts = {label: level_text(level) for label, level in wanted.items()}
        for levels in (run.cell.levels for run in runs):
            if all(level_text(levels[label]) == text for label, text in texts.items()):
                found.append({label: levels[label] for label in texts})
                break
    return found


def _experts(runs: Sequence[CellRun], out: Path, get: Callable[..., EvalResult | None]) -> list[EvalResult]:
    """Results of the scripted expert on the cells' episodes; none if cells differ in robot or control rate.

    Args:
        runs: the cells.
        out: folder of the study.
        get: `evaluate_cached`, or `load_cached` for stored results only.
    """
    points = [run.cell.point for run in runs]
    bodies = {(point.record.env.robot, point.record.env.control_hz) for point in points}
    if len(bodies) > 1:
        return []
    robot, rate = bodies.pop()
    expert = EvalTarget(EXPERT, None, out / EXPERT, EnvConfig(robot=robot, control_hz=rate))
    evaluations = [point.evaluation for point in points]
    configs = {config.task: EvalConfig(config.task, config.episodes) for config in evaluations}
    found = [get(expert, config, "test") for config in configs.values()]
    return [result for result in found if result is not None]


def _when(out: Path, runs: Sequence[CellRun]) -> dict[str, str]:
    """Dates on which the study began and its last training finished."""
    trained = [(run.folder / SUMMARY).stat().st_mtime for run in runs]
    times = [min((out / FILE).stat().st_mtime, *trained), max(trained)]  # growing rewrites the study's file
    begun, finished = (datetime.fromtimestamp(time).date().isoformat() for time in times)
    return {"begun": begun, "trainings finished": finished}


def _fixed(study: Study) -> dict[str, Any]:
    """Settings that all cells share."""
    points, fixed = [cell.point for cell in study.cells()], {}
    for name, path in SHOWN.items():
        first, *others = map(attrgetter(path), points)
        if all(value == first for value in others):
            fixed[name] = first
    return fixed | {"tuned on validation seeds": study.sweep or "nothing", "trainings per cell": study.seeds}
