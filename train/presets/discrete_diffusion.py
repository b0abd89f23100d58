"""Preset `discrete_diffusion`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import discrete_diffusion
from ...policies.trunk import TrunkConfig
from ..config import TrainConfig
from ..optim import OptimConfig
from . import openvla
from ._system import Size, system


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """Discrete diffusion: a chunk as bins that are all hidden at first, filled in over 8 rounds.

    Published (arXiv 2508.20072): OpenVLA's trunk with attention both ways, chunks of 8; its recipe is not
    verified here. See docs/systems/discrete_diffusion.md.
    """
    head = discrete_diffusion.Config()
    if size == "tiny":
        return system(data, updates, seed, head=head, trunk=TrunkConfig(), chunk=8)
    trunk = replace(openvla.PUBLISHED, state="token", attention="prefix")
    base = system(data, updates, seed, head=head, trunk=trunk, chunk=8)
    optim = OptimConfig(lr=5e-4, betas=(0.9, 0.999), warmup=0, decay="constant")
    return replace(base, batch_size=64, optim=optim, ema_decay=0.0)
