"""Makes a trained policy a part of this package: rounds its weights, judges what came out, writes its card.

Weights are stored as bf16, half of fp32, and computed with in fp32. Vectors stay as they are: they are few,
and statistics of the data would lose digits.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...common.errors import InputError
from ...common.files import whole
from ...policies.policy import Policy
from ..data.files import read_json, write_sealed
from ..evaluation import EvalConfig, EvalTarget, eval_target, evaluate_cached, learned_tasks
from .model_card import model_card

MAX_BYTES = 4 * 2**20
"""Largest file of weights in the package."""
FOLDER = "packaged"
"""Folder of the rounded policy and its evaluations, in the run's folder; structured like a run's."""


def package(run: str, out: Path, evaluation: EvalConfig, license: str) -> None:
    """Writes the policy of `run` to `out`: configuration, rounded weights, tokenizer, summary and model card.

    The rounded policy is judged first; what was judged before is read. Without a task `evaluation` is about
    everything that the policy learned.

    Args:
        run: folder of a finished run, or of its best policy.
        out: folder to write to; what else lies there stays.
        evaluation: what the model card reports; its `sampling` becomes the packaged policy's own.
        license: of the weights, as the Hugging Face Hub spells it.

    Raises:
        ValueError: `run` is no training on a task that is known, or its weights are too large.
    """
    who = eval_target(run)
    learned = learned_tasks(who)
    source = who.results.parent
    if who.policy is None or not learned or not (source / "summary.json").exists():
        raise InputError(f"'{run}' is no finished training on a task of vlasandbox: give the folder of one")
    rounded = EvalTarget(FOLDER, source / FOLDER / "policy", source / FOLDER / "eval")
    policy = Policy.load(who.policy, sampling=evaluation.sampling)
    evaluation = replace(evaluation, sampling="")
    policy.save(source / FOLDER / "policy", rounded_tensors(policy))
    shutil.copyfile(source / "config.json", source / FOLDER / "config.json")
    summary = read_json(source / "summary.json")
    # Its rows stay where they are.
    write_sealed(source / FOLDER / "summary.json", {k: x for k, x in summary.items() if k != "rows"})
    size = (source / FOLDER / "policy" / "model.safetensors").stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"the weights of '{run}' take {size / 2**20:.1f} MiB as bf16, and this package carries at most "
            f"{MAX_BYTES / 2**20:.0f}: train a smaller policy"
        )
    for task in evaluation.task.split("+") if evaluation.task else learned:
        evaluate_cached(rounded, replace(evaluation, task=task), "test")
    _write(source / FOLDER, out, model_card(source / FOLDER, license, notes=_notes(learned)))


def rounded_tensors(policy: Policy) -> dict[str, Tensor]:
    """The weights with two and more dimensions as bf16, by name."""
    return {
        name: weight.detach().to(torch.bfloat16)
        for name, weight in policy.named_parameters()
        if weight.ndim > 1
    }


def _notes(learned: list[str]) -> str:
    return f"""It comes with vlasandbox and was trained on: {", ".join(learned)}. Weights with two and more
dimensions are rounded to bf16 and computed with in fp32; the results below are those of the rounded policy.

```bash
vla demo "pick up the red cube"
```"""


def _write(source: Path, out: Path, card: str) -> None:
    """Copies the mini-run `source` and its model card to `out`, file by file."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "tokenizer", ignore_errors=True)
    shutil.copytree(source / "policy" / "tokenizer", out / "tokenizer")
    for name in ("config.json", "model.safetensors"):
        with whole(out / name) as partial:
            shutil.copyfile(source / "policy" / name, partial)
    write_sealed(out / "summary.json", _public(read_json(source / "summary.json")))
    with whole(out / "README.md") as partial:
        partial.write_text(card, encoding="utf-8")


def _public(summary: dict[str, Any]) -> dict[str, Any]:
    """Copies a summary without the location of the data, which is nobody's business elsewhere."""
    return summary | {"dataset": {k: v for k, v in summary["dataset"].items() if k != "root"}}
