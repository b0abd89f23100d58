"""Preset `diffusion_policy_transformer`."""

from dataclasses import replace
from pathlib import Path

from ...policies.networks import dp_transformer
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import Size, system
from .diffusion_policy_unet import DDIM, DDPM, PUBLISHED, TINY


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """Diffusion Policy with its transformer: actions that see earlier ones denoise themselves.

    Published (arXiv 2303.04137 and its code): all but the network is that of `diffusion_policy_unet`, chunks
    of 10, 8 layers of width 256. See docs/systems/diffusion_policy_transformer.md.
    """
    if size == "tiny":
        head = replace(DDIM, network=dp_transformer.Config())
        return system(data, updates, seed, head=head, trunk=TINY, chunk=8, history=2, norm="min_max")
    head = replace(DDPM, network=dp_transformer.Config(width=256, layers=8, heads=4, mlp=1024))
    base = system(data, updates, seed, head=head, trunk=PUBLISHED, chunk=10, history=2, norm="min_max")
    optim = OptimConfig(lr=1e-4, betas=(0.9, 0.95), weight_decay=1e-3, warmup=1000, decay="cosine")
    return replace(base, batch_size=64, optim=optim, ema_decay=0.999)
