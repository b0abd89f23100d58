"""An evaluation with two simulation processes, which stores each episode at once."""

from pathlib import Path
from typing import Any

from small_policies import small_policy

from vlasandbox.eval.result import EvalResult
from vlasandbox.eval.rollout import evaluate
from vlasandbox.train.evaluation import UNFINISHED, EvalConfig, EvalTarget, evaluate_cached

from ..kill import KillCase, Say
from ._common import TASK, episodes_in, fork_programs, names_in

EVALUATION = EvalConfig(TASK, episodes=5, workers=2)


def _prepare(folder: Path) -> None:
    small_policy("regression", image_size=32).save(folder / "run/policy")


def _run(folder: Path, say: Say) -> None:
    fork_programs()
    evaluate.KEEP_EVERY = 0.0
    save = EvalResult.save

    def saying(self: EvalResult, place: Path) -> Path:
        path = save(self, place)
        for episode in self.episodes:
            say(f"episode {episode.seed}")
        return path

    EvalResult.save = saying  # pyright: ignore[reportAttributeAccessIssue]
    run = folder / "run"
    evaluate_cached(EvalTarget("run", run / "policy", run / "eval"), EVALUATION, "test", bar=False)


def _found(folder: Path) -> dict[str, str]:
    place = folder / "run/eval" / EVALUATION.folder / "test"
    return episodes_in(place.with_name(place.name + UNFINISHED)) | episodes_in(place)


def _outcome(folder: Path) -> dict[str, Any]:
    names = names_in(folder / "run", but=(".npz",))
    return names | _found(folder)


CASE = KillCase(
    run=_run,
    holds=lambda folder: set(_found(folder)),
    outcome=_outcome,
    kills=80,
    prepare=_prepare,
)
