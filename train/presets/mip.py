"""Preset `mip`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import mip
from ...policies.networks import unet1d
from ...policies.trunk import TrunkConfig
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import Size, system
from .diffusion_policy_unet import PUBLISHED


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """MIP: regression, and once more on its own answer.

    Published (arXiv 2512.01809 and its code): on the encoder and the networks of Diffusion Policy, of which
    this takes the UNet. See docs/systems/mip.md.
    """
    if size == "tiny":
        return system(data, updates, seed, head=mip.Config(), trunk=TrunkConfig(), chunk=8)
    head = mip.Config(network=unet1d.Config(channels=(256, 512, 512), time=128))
    base = system(data, updates, seed, head=head, trunk=PUBLISHED, chunk=16, history=2, norm="min_max")
    optim = OptimConfig(lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-5, warmup=0, decay="cosine", clip=10.0)
    return replace(base, batch_size=1024, optim=optim, ema_decay=0.995)
