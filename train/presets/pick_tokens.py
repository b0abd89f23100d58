"""Preset `pick_tokens`."""

from pathlib import Path

from ...policies.heads import tokens
from ..config import TrainConfig
from ._pick import pick


def config(data: Path, *, updates: int = 4000, seed: int = 0) -> TrainConfig:
    """Pick by instruction with discrete action tokens: 256 bins per dimension, predicted by the trunk."""
    return pick(tokens.Config(), data, updates, seed)
