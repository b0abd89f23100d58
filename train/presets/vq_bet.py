"""Preset `vq_bet`."""

from dataclasses import replace
from pathlib import Path

from ...policies.codecs import vq
from ...policies.heads import vq_bet
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ...vision.connectors import spatial_softmax
from ...vision.encoders import resnet
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system

PUBLISHED = TrunkConfig(
    encoder=resnet.Config(image_size=96, width=64),
    connector=spatial_softmax.Config(),
    # minGPT's MLPs are two matrices of 4 x 512, these are three.
    language=LanguageConfig(width=512, layers=8, heads=8, kv_heads=8, mlp=1365, instruction_tokens=32),
    words=False,
    attention="causal",
    grounding=NO_LABELS,
)


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """VQ-BeT: one of 256 learned chunks of 5, drawn as two codes, and a correction.

    Published (arXiv 2403.03181; LeRobot's sizes for PushT): a ResNet-18, a transformer over 5 frames, no
    language, which here comes through FiLM. See docs/systems/vq_bet.md.
    """
    if size == "tiny":
        head = vq_bet.Config(temperature=0.1)
        return system(data, updates, seed, head=head, trunk=TrunkConfig(), chunk=5, history=2, norm="min_max")
    head = vq_bet.Config(codec=vq.Config(latent=256, steps=20_000), correct="sampled", temperature=0.1)
    base = system(data, updates, seed, head=head, trunk=PUBLISHED, chunk=5, history=5, norm="min_max")
    optim = OptimConfig(lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, warmup=500, decay="cosine")
    return replace(base, batch_size=64, optim=optim, ema_decay=0.0)
