"""Demonstrations for trainings, and what a training leaves in its folder."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from synthetic_episodes import SETTINGS, SPEC, synthetic_episode

from vlasandbox.common.json_lines import read_lines
from vlasandbox.train.data.writer import DatasetWriter


def record(root: Path, seeds: range) -> None:
    writer = DatasetWriter(root, SETTINGS)
    for seed in seeds:
        writer.add_episode(synthetic_episode(seed), SPEC)
    writer.commit()


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "policy" / "model.safetensors")


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def rows(out: Path) -> list[dict[str, Any]]:
    return read_lines(out / "metrics.jsonl", "")
