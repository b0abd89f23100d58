"""A finished study: what it is of, its cells' results and records, all read to sum it up anew."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from made_up_results import SPEC, result
from tiny_study import STUDY

from vlasandbox.common.json_lines import to_line
from vlasandbox.train.data.files import write_sealed
from vlasandbox.train.parallel import Job
from vlasandbox.train.study import manifest, runner
from vlasandbox.train.study import results as study_results

from ..fuzz import AgainError, FuzzCase
from ..spoiling import any_file, any_json, one_of

TRAINED = {
    "updates": 2, "train_cpu_seconds": 120.0, "train_wall_seconds": 120.0, "samples": 8, "threads": 1,
    "samples_per_second": 1.0, "demonstrations": 2, "parameters": {"head": 10}, "device": "cpu",
    "precision": "fp32", "dataset": {"fingerprint": "data", "task": "pick"},
}  # fmt: skip


def _train(jobs: Any, at_once: int) -> None:
    """Leaves what trainings and their evaluations leave."""
    for job in jobs:
        work = job.run.args[0]
        (work.folder / "policy").mkdir(parents=True, exist_ok=True)
        (work.folder / "policy/model.safetensors").touch()
        write_sealed(work.folder / "summary.json", TRAINED)
        write_sealed(work.folder / "open_loop.json", {"mean": 0.5, "steps": [0.4, 0.6]})
        rows = [to_line({"step": n, "loss": 1 / n}) for n in (1, 2)]
        (work.folder / "metrics.jsonl").write_text("".join(rows))
        for config, condition in work.evaluations.values():
            outcomes = "sf" * (config.episodes // 2)
            found = result(work.cell.name, outcomes, condition, first_seed=config.seeds.start)
            found.save(work.target.results / config.folder / condition)


def _again(jobs: Sequence[Job], at_once: int) -> None:
    if jobs:
        raise AgainError


def _setup() -> None:
    SPEC["task"] = "pick"
    runner.record = lambda config: config.root.mkdir(parents=True, exist_ok=True)  # pyright: ignore
    study_results.open_data = lambda root: type("Data", (), {"fingerprint": "data"})()  # pyright: ignore
    study_results.film_study = lambda *_, **__: []
    study_results.evaluate_cached = lambda who, config, condition: result(who.name, "sf")  # pyright: ignore
    manifest.code_fingerprint = lambda: "code"
    study_results.code_fingerprint = lambda: "code"


def _make(folder: Path) -> None:
    _setup()
    folder.mkdir(parents=True)
    runner.run_study(STUDY, folder / "study", run_jobs=_train)


def _read(folder: Path) -> Any:
    out = folder / "study"
    runner.run_study(STUDY, out, run_jobs=_again)
    found = json.loads((out / "results.json").read_text())
    return {name: str(value) for name, value in found.items() if name not in ("sha256", "protocol", "fixed")}


ALL = (
    "study/study.json",
    "study/cells/*/*.json",
    "study/cells/*/eval/**/result.json",
    "study/cells/*/metrics.jsonl",
)
JSON = ALL[:3]
CASES = {
    "study.json": FuzzCase(
        _make,
        one_of([any_file(ALL[0]), any_json(ALL[0], sealed=True), *[any_json(ALL[0], sealed=False)] * 2]),
        _read,
        200,
        setup=_setup,
    ),
    "files of a study's cells": FuzzCase(
        _make,
        one_of(
            [any_file(*ALL[1:]), any_json(*JSON[1:], sealed=True), *[any_json(*JSON[1:], sealed=False)] * 2]
        ),
        _read,
        300,
        setup=_setup,
    ),
}
