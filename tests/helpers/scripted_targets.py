"""Contestants whose episodes end as scripted, for tests of commands that judge them."""

from collections.abc import Callable
from pathlib import Path

from made_up_results import result

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.seeds import TEST
from vlasandbox.train.data.files import write_json

Played = list[tuple[str, str, list[int]]]
"""(policy, perturbation, seeds) of every evaluation."""


def make_run(folder: Path) -> str:
    """A folder that passes for a trained run."""
    (folder / "policy").mkdir(parents=True)
    (folder / "policy" / "model.safetensors").touch()
    (folder / "policy" / "config.json").write_text('{"spec": {"robot": "franka", "control_hz": 10.0}}')
    return str(folder)


def make_summary(run: str, **changes: object) -> None:
    """Puts the summary of a finished training into the run's folder."""
    summary = {
        "updates": 5, "samples": 40, "train_wall_seconds": 2.5, "train_cpu_seconds": 2.0,
        "samples_per_second": 16.0, "demonstrations": 3, "dataset": {"fingerprint": "f", "task": "pick"},
        "parameters": {"head": 3}, "device": "cpu", "precision": "fp32", "threads": 1,
    }  # fmt: skip
    write_json(Path(run) / "summary.json", summary | changes)


def script(monkeypatch, outcome: Callable[[str, EnvConfig, int], bool]) -> Played:
    """From now on a policy succeeds if `outcome(name, environment, number of the episode)` says so."""
    calls: Played = []

    def evaluate(policy, env, seeds, *, name, **_):
        calls.append((name, env.perturb, list(seeds)))
        letters = "".join("s" if outcome(name, env, seed - TEST.start) else "f" for seed in seeds)
        made = result(name, letters, first_seed=seeds[0])
        varied = {key: getattr(env, key) for key in ("task", "wording", "combinations", "perturb")}
        made.task, made.spec = env.task, made.spec | varied
        return made

    monkeypatch.setattr("vlasandbox.eval.rollout.evaluate.evaluate", evaluate)
    return calls
