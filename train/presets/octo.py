"""Preset `octo`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import diffusion
from ...policies.language import LanguageConfig
from ...policies.networks import mlp_resnet
from ...policies.trunk import TrunkConfig
from ...vision.encoders import smallstem
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system

HEAD = diffusion.Config(
    network=mlp_resnet.Config(),
    prediction="epsilon",
    sampler="ddpm",
    steps=20,
    train_steps=20,
    clip=None,
    bound=5.0,
)
BASE = TrunkConfig(
    encoder=smallstem.Config(image_size=256, width=512),
    encoders=2,
    positions="tokens",
    # Octo's MLPs are two matrices of 4 x 768, these are three: 2048 makes as many weights.
    language=LanguageConfig(width=768, layers=12, heads=12, kv_heads=12, mlp=2048, instruction_tokens=16),
    film=False,
    state="none",
    grounding=NO_LABELS,
)


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """Octo: a small MLP denoises chunks of 4 from what one readout token finds in the trunk.

    Published (arXiv 2405.12213 and its code): two frames, a convolutional stem, a transformer of ViT-B's size
    trained from scratch, 93 M parameters without the frozen T5. See docs/systems/octo.md.
    """
    if size == "tiny":
        return system(data, updates, seed, head=HEAD, trunk=TrunkConfig(), chunk=4, history=2, norm="z_score")
    head = replace(HEAD, network=mlp_resnet.Config(width=256), draws=1)
    base = system(data, updates, seed, head=head, trunk=BASE, chunk=4, history=2, norm="z_score")
    # Octo's rate falls with the root of the update; a cosine is the nearest that there is here.
    optim = OptimConfig(lr=3e-4, betas=(0.9, 0.999), weight_decay=0.1, warmup=2000, decay="cosine")
    return replace(base, batch_size=512, optim=optim, ema_decay=0.0)
