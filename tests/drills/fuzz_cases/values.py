"""Values that a user types: names of tasks, perturbations, settings of sampling, flags of all commands."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from small_policies import small_policy
from synthetic_episodes import write_dataset

from vlasandbox.envs import tasks
from vlasandbox.envs.perturbation_set import PerturbationSet
from vlasandbox.policies.policy import Policy
from vlasandbox.train import loop
from vlasandbox.train.cli import main
from vlasandbox.train.errors import EXIT_MISTAKE

from ..fuzz import AcceptedError, FuzzCase
from ..spoiling import Damage

TEXTS = (
    "", " ", ".", "..", ",", "=", ":", "+", "-", "--", "-1", "0", "1", "1e308", "1e999", "nan", "inf", "-inf",
    "９", "+3", " 3", "3-", "3-1", "0-3", "1_000", "0x10", "None", "true", "[]", "{}", "a" * 5000, "é", "☃",
    "*", "?", "~", "$HOME", "%s", "../..", "/", "a/b", "this", "this.x", ".pick", "pick.", "pick..x", "=1",
    ".=1", "lure_module.x", "os.system", "__main__", "vlasandbox.train.cli", "'",
    '"', "`id`", ";ls", "\n", "\t",
    "9" * 400, "-" + "9" * 30, "999999999999", "1,2", "1,,2", "(1, 2)", "3.5", "1e-320",
)  # fmt: skip
TASKS = ("pick", "stack", "reach", "insert_peg:clearance=0.001", "suite", "push_t", "handover", "spatial")
AXES = (
    "camera=3",
    "light=0-3",
    "mass=2",
    "distractors=1",
    "gains=1",
    "friction=0-5",
    "wording",
    "paraphrase=1",
)
SAMPLING = ("steps=5", "temperature=0.5", "steps=2,temperature=0", "draws=3", "solver=heun", "eta=1")
FLAGS = {
    "record": ("--episodes", "--robot", "--action-space", "--control-hz", "--image-size", "--wording",
               "--combinations", "--perturb", "--first-seed", "--workers", "--noise.rate"),
    "eval": ("--task", "--episodes", "--split", "--execution-horizon", "--inference-delay", "--ensemble",
             "--sampling", "--wording", "--combinations", "--perturb", "--workers", "--condition"),
    "train": ("--updates", "--batch-size", "--seed", "--ema-decay", "--checkpoint-every", "--eval-every",
              "--data.chunk", "--data.action-space", "--data.history", "--optim.lr", "--optim.warmup",
              "--optim.clip", "--device", "--precision", "--threads", "--grad-accumulation",
              "--policy.head.network.width", "--policy.trunk.language.layers", "--policy.shift",
              "--policy.trunk.language.checkpoint", "--policy.trunk.encoder.image-size"),
    "compare": ("--task", "--episodes", "--execution-horizon", "--perturb", "--wording"),
    "demo": ("--task", "--seed", "--sentence"),
    "open-loop": ("--data",),
    "list": (), "check": (), "report": (), "study": (), "export": (), "package": (), "robustness": (),
    "suite": (),
}  # fmt: skip
PLACES = {
    "record": ["reach", "--out", "new"], "eval": ["run"], "compare": ["run", "run"], "demo": ["run"],
    "train": ["debug", "--data", "data", "--out", "out"], "open-loop": ["run"],
}  # fmt: skip


def text(rng: np.random.Generator, known: tuple[str, ...] = ()) -> str:
    """An odd text, or a known one with something changed."""
    if known and rng.random() < 0.6:
        base = known[int(rng.integers(len(known)))]
        if "=" in base and rng.random() < 0.5:
            name, _, _ = base.rpartition("=")
            return f"{name}={TEXTS[int(rng.integers(len(TEXTS)))]}"
        at = int(rng.integers(len(base) + 1))
        odd = TEXTS[int(rng.integers(len(TEXTS)))]
        return base[:at] + odd + base[at + int(rng.integers(2)) :]
    return TEXTS[int(rng.integers(len(TEXTS)))]


def _spoiler(draw: Any) -> Any:
    def spoil(folder: Path, rng: np.random.Generator) -> Damage:
        value = draw(rng)
        (folder / "value.json").write_text(json.dumps(value))
        return Damage(f"{value!r:.300}", False)

    return spoil


def _value(folder: Path) -> Any:
    path = folder / "value.json"
    return json.loads(path.read_text()) if path.exists() else None


def _make(folder: Path) -> None:
    folder.mkdir(parents=True)


def _make_run(folder: Path) -> None:
    write_dataset(folder / "data")
    small_policy("flow").save(folder / "run/policy")


def _task(folder: Path) -> Any:
    if (value := _value(folder)) is not None:
        for name in tasks.expand(value):
            tasks.load(name)
    return None


def _axes(folder: Path) -> Any:
    if (value := _value(folder)) is not None:
        PerturbationSet(value)
    return None


def _sampling(folder: Path) -> Any:
    if (value := _value(folder)) is not None:
        Policy.load(folder / "run/policy", sampling=value)
    return None


def _arguments(rng: np.random.Generator) -> list[str]:
    verb = list(FLAGS)[int(rng.integers(len(FLAGS)))]
    arguments = [verb, *PLACES.get(verb, [text(rng)])]
    if rng.random() < 0.1:
        arguments[-1] = text(rng)
    for _ in range(int(rng.integers(0, 3))):
        if FLAGS[verb]:
            arguments.append(FLAGS[verb][int(rng.integers(len(FLAGS[verb])))])
            arguments.append(text(rng, (*TASKS, *AXES, *SAMPLING)))
    return (
        arguments if verb not in ("record", "train") or "new" in arguments or "out" in arguments else [verb]
    )


class _Accepting:
    def __init__(self, *_: Any, **__: Any) -> None:
        raise AcceptedError


def _setup() -> None:
    """Whatever is taken ends where work would begin."""
    subprocess.Popen = _Accepting
    loop.RunLog = _Accepting


def _command(folder: Path) -> Any:
    if (value := _value(folder)) is not None:
        status = main(value)
        if status == EXIT_MISTAKE:
            raise SystemExit(status)
    return None


CASES = {
    "names of tasks": FuzzCase(_make, _spoiler(lambda rng: text(rng, TASKS)), _task, 250, checked=False),
    "perturbations": FuzzCase(_make, _spoiler(lambda rng: text(rng, AXES)), _axes, 250, checked=False),
    "sampling": FuzzCase(_make_run, _spoiler(lambda rng: text(rng, SAMPLING)), _sampling, 150, checked=False),
    "command lines": FuzzCase(_make_run, _spoiler(_arguments), _command, 500, checked=False, setup=_setup),
}
