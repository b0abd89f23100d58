"""A training with a checkpoint after each update, and a look at held-out data after each second one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from synthetic_episodes import write_dataset

from vlasandbox.train import checkpoint, loop
from vlasandbox.train.data.files import read_json
from vlasandbox.train.loop import STATE, train
from vlasandbox.train.presets import debug

from ..kill import KillCase, Say
from ._common import TIMES, names_in

UPDATES = 3


def _prepare(folder: Path) -> None:
    write_dataset(folder / "data")
    write_dataset(folder / "held_out", seeds=(7,))


def _run(folder: Path, say: Say) -> None:
    save = checkpoint.save

    def saying(path: Path, *state: Any) -> None:
        save(path, *state)
        say(f"update {state[-1].step}")

    loop.checkpoint.save = saying
    config = debug.config(folder / "data", updates=UPDATES)
    data = replace(config.data, held_out=folder / "held_out")
    train(replace(config, data=data, checkpoint_every=1), folder / "run", bar=False)
    say("policy")


def holds(run: Path) -> set[str]:
    """Updates whose checkpoint is there, and whether the policy is."""
    progress = checkpoint.read_progress(run / STATE)
    step = 0 if progress is None else progress.step
    finished = (run / "summary.json").exists() and (run / "policy").is_dir()
    return {f"update {number}" for number in range(1, step + 1)} | ({"policy"} if finished else set())


def outcome(run: Path) -> dict[str, Any]:
    """What a training must leave, but for times."""
    from vlasandbox.eval.training_record import TrainingRecord

    rows = [{k: x for k, x in row.items() if k not in TIMES} for row in TrainingRecord.load(run).rows]
    found: dict[str, Any] = names_in(run, but=("lock",))
    for policy in [path.parent for path in run.rglob("model.safetensors")]:
        found[f"{policy.relative_to(run)}"] = read_json(policy / "config.json")["files"]
    return found | {"rows": rows, "settings": read_json(run / "config.json")}


CASE = KillCase(
    run=_run,
    holds=lambda folder: holds(folder / "run"),
    outcome=lambda folder: outcome(folder / "run"),
    kills=240,
    prepare=_prepare,
)
