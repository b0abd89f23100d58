"""A study of two trainings side by side: it records, trains, judges and sums up."""

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlasandbox.envs.config import EnvConfig
from vlasandbox.eval.rollout import evaluate
from vlasandbox.train.data.files import read_json
from vlasandbox.train.evaluation import EvalConfig
from vlasandbox.train.presets import debug
from vlasandbox.train.recording.record import RecordConfig
from vlasandbox.train.study import Factor, Study, cell, held_out, results, runner
from vlasandbox.train.study.definition import Point
from vlasandbox.train.study.runner import run_study

from ..kill import KillCase, Say
from ._common import TASK, episodes_in, files_in, fork_programs, names_in
from .train import outcome as training_outcome

RECORD = RecordConfig(Path("data"), episodes=2, env=EnvConfig(TASK, image_size=32), workers=1)
# A training whose study was killed stops after its present update and notes it: so each update has a row.
TRAIN = replace(debug.config(Path("data"), updates=2), checkpoint_every=1)
STUDY = Study(
    "Is it there after kills?",
    Point(RECORD, TRAIN, EvalConfig(TASK, episodes=2, workers=1)),
    [Factor("chunk", {2: {"train.data.chunk": 2, "evaluation.execution_horizon": 2}, 4: {}})],
    seeds=1,
)


def _run(folder: Path, say: Say) -> None:
    fork_programs()
    evaluate.KEEP_EVERY = 0.0
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: fork
    held_out.EPISODES = 2
    results.film_study = lambda *_, **__: []
    do = cell.evaluate_cached

    def saying(who: Any, *evaluation: Any, **how: Any) -> Any:
        say(f"trained {who.results.parent.name}")
        result = do(who, *evaluation, **how)
        say(f"judged {who.results.parent.name}")
        return result

    cell.evaluate_cached = saying
    run_study(STUDY, folder / "study", at_once=2)
    say("summary")


def _holds(folder: Path) -> set[str]:
    study, found = folder / "study", set()
    for run in (study / "cells").glob("*"):
        if (run / "summary.json").exists() and (run / "policy").is_dir():
            found.add(f"trained {run.name}")
        if any(episodes_in(path.parent) for path in run.glob("eval/*/test/result.json")):
            found.add(f"judged {run.name}")
    return found | ({"summary"} if (study / "results.html").exists() else set())


def _outcome(folder: Path) -> dict[str, Any]:
    study = folder / "study"
    found: dict[str, Any] = names_in(study, but=(".npz", "lock"))
    for run in (study / "cells").glob("*"):
        found |= {f"{run.name}/{name}": value for name, value in training_outcome(run).items()}
        for path in run.glob("eval/*/test/result.json"):
            found |= {f"{run.name}/{name}": value for name, value in episodes_in(path.parent).items()}
    for name in ("data", "held_out"):
        found |= files_in(study / name)
    return found | {"study": read_json(study / "study.json")}


assert runner.run_study is run_study
CASE = KillCase(run=_run, holds=_holds, outcome=_outcome, kills=20)
