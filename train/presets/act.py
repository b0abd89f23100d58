"""Preset `act`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import cvae
from ...policies.language import LanguageConfig
from ...policies.networks import act_decoder
from ...policies.trunk import TrunkConfig
from ...vision.encoders import resnet
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system

PUBLISHED = TrunkConfig(
    encoder=resnet.Config(image_size=480, width=64),
    # DETR's MLPs are two matrices of 3200 x 512, these are three.
    language=LanguageConfig(width=512, layers=4, heads=8, kv_heads=8, mlp=2133, instruction_tokens=32),
    film=False,
    grounding=NO_LABELS,
)
"""A ResNet-18 and DETR's encoder."""


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """ACT: a query per action of a long chunk, regressed; a latent style takes up what else varies.

    Published (arXiv 2304.13705 and its code): a ResNet-18, 4 encoder layers, 7 decoder layers of which only
    the first counts, chunks of 100, no language; LeRobot's, without the other six, has 51.6 M parameters.
    See docs/systems/act.md.
    """
    if size == "tiny":
        head = cvae.Config(network=act_decoder.Config(layers=1))
        return system(data, updates, seed, head=head, trunk=TrunkConfig(), chunk=16, norm="z_score")
    network = act_decoder.Config(width=512, layers=1, heads=8, mlp=3200)
    head = cvae.Config(network=network, width=512, layers=4, heads=8, mlp=3200)
    base = system(data, updates, seed, head=head, trunk=PUBLISHED, chunk=100, norm="z_score")
    optim = OptimConfig(lr=1e-5, betas=(0.9, 0.999), weight_decay=1e-4, warmup=0, decay="constant")
    return replace(base, batch_size=8, optim=optim, ema_decay=0.0)
