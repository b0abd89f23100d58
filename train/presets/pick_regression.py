"""Preset `pick_regression`."""

from pathlib import Path

from ...policies.heads import regression
from ..config import TrainConfig
from ._pick import pick


def config(data: Path, *, updates: int = 3500, seed: int = 0) -> TrainConfig:
    """Pick by instruction with a regressed chunk: one pass of the action network, L1 loss."""
    return pick(regression.Config(), data, updates, seed)
