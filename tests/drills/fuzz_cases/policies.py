"""Saved policies: configuration, weights, tokenizer; with their checksums and without."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from small_policies import small_policy

from vlasandbox.policies.policy import Policy
from vlasandbox.policies.types import Observation

from ..fuzz import FuzzCase
from ..spoiling import SEALS, after, any_file, any_json, one_of


def _make(folder: Path) -> None:
    small_policy("flow", image_size=32).save(folder / "policy")


def _read(folder: Path) -> Any:
    policy = Policy.load(folder / "policy")
    spec = policy.spec
    images = torch.full((1, len(spec.cameras) * spec.history, spec.image_size, spec.image_size, 3), 99)
    state = torch.zeros(1, spec.state_dim * spec.history)
    seen = Observation(images.to(torch.uint8), state, ["pick up the red cube"])
    with torch.inference_mode():
        actions = policy.act(seen, [torch.Generator().manual_seed(0)])
    total = hashlib.sha256(actions.numpy().tobytes())
    for name, tensor in sorted(policy.state_dict().items()):
        total.update(name.encode() + tensor.cpu().numpy().tobytes())
    return [total.hexdigest(), str(spec)]


def _without(folder: Path) -> None:
    path = folder / "policy/config.json"
    kept = {key: x for key, x in json.loads(path.read_text()).items() if key not in SEALS}
    path.write_text(json.dumps(kept))


CONFIG, WEIGHTS, WORDS = "policy/config.json", "policy/model.safetensors", "policy/tokenizer/*"


def _case(spoil: Any, inputs: int) -> FuzzCase:
    return FuzzCase(_make, spoil, _read, inputs)


CASES = {
    "policy config.json": _case(
        one_of([any_file(CONFIG), any_json(CONFIG, sealed=True), *[any_json(CONFIG, sealed=False)] * 4]), 450
    ),
    "policy weights": _case(one_of([*[any_file(WEIGHTS)] * 2, after(_without, any_file(WEIGHTS))]), 350),
    "policy tokenizer": _case(
        one_of(
            [
                any_file(WORDS),
                after(_without, any_file(WORDS)),
                after(_without, any_json("policy/tokenizer/*.json", sealed=False)),
            ]
        ),
        350,
    ),
}
