"""Preset `pick_diffusion`."""

from pathlib import Path

from ...policies.heads import diffusion
from ..config import TrainConfig
from ._pick import pick


def config(data: Path, *, updates: int = 3500, seed: int = 0) -> TrainConfig:
    """Pick by instruction with a denoised chunk: DDPM training, DDIM sampling."""
    return pick(diffusion.Config(), data, updates, seed)
