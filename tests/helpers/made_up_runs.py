"""Stands for the trainings and evaluations of a study, for tests of what is run and when."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_up_results import SPEC, result

from vlasandbox.eval.study.summary import StudyResult, Summary, summarize
from vlasandbox.train.data.files import read_json, write_json
from vlasandbox.train.parallel import Job
from vlasandbox.train.study import results as study_results
from vlasandbox.train.study import runner
from vlasandbox.train.study.cell import CellRun


class MadeUp:
    """Runs jobs: notes their names, and leaves results in which a low rate is better for chunk 4 only."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fingerprint = "data"
        self.precisions: list[str] = []

    def __call__(self, jobs: Sequence[Job], at_once: int) -> None:
        """`RunJobs`."""
        for job in jobs:
            work = job.run.args[0]  # pyright: ignore[reportFunctionMemberAccess]
            self.names.append(job.name)
            self.precisions.append(work.config.precision)
            self._train(work)
            for config, condition in work.evaluations.values():
                levels = work.cell.levels
                good = levels.get("chunk") == 4 and levels.get("lr") == "low"
                found = result(
                    work.cell.name, ("ss" if good else "sf"), condition, first_seed=config.seeds.start
                )
                found.save(work.target.results / config.folder / condition)

    def _train(self, work: CellRun) -> None:
        summary = work.folder / "summary.json"
        if not summary.exists():
            (work.folder / "policy").mkdir(parents=True, exist_ok=True)
            (work.folder / "policy" / "model.safetensors").touch()
            time.sleep(0.01)  # results are younger than their policy
            write_json(
                summary,
                {
                    "updates": 2,
                    "train_cpu_seconds": 120.0,
                    "train_wall_seconds": 120.0,
                    "samples": 8,
                    "samples_per_second": 1.0,
                    "demonstrations": 2,
                    "parameters": {"head": 10},
                    "device": "cpu",
                    "threads": 1,
                    "dataset": {"fingerprint": self.fingerprint},
                },
            )


def write_less(
    folder: Path,
    question: str,
    results: Sequence[StudyResult],
    fixed: dict[str, Any],
    *,
    tuned: str | None,
    experts: Sequence[Any],
    videos: Callable[[Summary], Sequence[Any]] | None,
) -> Path:
    """The part of the report that the runner decides."""
    protocol = {name: str(value) for name, value in fixed.items()} | {"tuned": tuned}
    beside = {
        "experts": [expert.policy for expert in experts],
        "clips": list(videos(summarize(results, tuned))) if videos else [],
    }
    write_json(folder / "results.json", {"protocol": protocol, "results": len(results), **beside})
    return folder / "results.html"


def without_runs(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """Has studies record, train and evaluate nothing; returns what to give them as `run_jobs`."""
    fake = MadeUp()
    monkeypatch.setattr(runner, "record", lambda config: config.root.mkdir(parents=True, exist_ok=True))

    class Data:
        fingerprint = property(lambda self: fake.fingerprint)

    monkeypatch.setattr(study_results, "open_data", lambda root: Data())
    monkeypatch.setattr(study_results, "write_study", write_less)
    monkeypatch.setattr(study_results, "film_study", lambda summary, folder, shown: ["clip"])
    monkeypatch.setattr(
        study_results, "evaluate_cached", lambda expert, config, condition: result(expert.name, "s")
    )
    monkeypatch.setitem(SPEC, "task", "pick")
    return fake


def report(out: Path) -> dict[str, Any]:
    """What `write_less` wrote."""
    return read_json(out / "results.json")
