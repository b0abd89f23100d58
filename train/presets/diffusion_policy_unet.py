"""Preset `diffusion_policy_unet`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import diffusion
from ...policies.language import LanguageConfig
from ...policies.networks import unet1d
from ...policies.trunk import TrunkConfig
from ...vision.connectors import spatial_softmax
from ...vision.encoders import resnet
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system

TINY = TrunkConfig(
    encoder=resnet.Config(image_size=96, width=16), connector=spatial_softmax.Config(), words=False
)
PUBLISHED = replace(
    TINY,
    encoder=resnet.Config(image_size=96, width=64),
    language=LanguageConfig(width=128, layers=1, heads=4, kv_heads=4, mlp=384, instruction_tokens=32),
    grounding=NO_LABELS,
)
"""The published condition is a vector of 132 numbers, those of two frames put end to end."""
DDIM = diffusion.Config(prediction="epsilon", steps=16, clip=1.0)
"""Diffusion with the steps that the system takes on a robot; the network is still to be set."""
DDPM = replace(DDIM, sampler="ddpm", steps=100, draws=1)
"""Diffusion with the steps that the system takes in its simulations."""


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """Diffusion Policy with its convolutional network: a UNet along a chunk denoises it.

    Published (arXiv 2303.04137 and its code): keypoints of a ResNet-18 on two frames and no language, which
    here comes through FiLM; LeRobot's for PushT has 263 M parameters. See
    docs/systems/diffusion_policy_unet.md.
    """
    if size == "tiny":
        head = replace(DDIM, network=unet1d.Config())
        return system(data, updates, seed, head=head, trunk=TINY, chunk=8, history=2, norm="min_max")
    head = replace(DDPM, network=unet1d.Config(channels=(512, 1024, 2048), time=128))
    base = system(data, updates, seed, head=head, trunk=PUBLISHED, chunk=16, history=2, norm="min_max")
    optim = OptimConfig(lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, warmup=500, decay="cosine")
    # The published average slows down as it goes: 0.999 is what it has after 10,000 updates.
    return replace(base, batch_size=64, optim=optim, ema_decay=0.999)
