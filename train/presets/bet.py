"""Preset `bet`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import bet
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ...vision.connectors import token_learner
from ...vision.encoders import resnet
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system

PUBLISHED = TrunkConfig(
    encoder=resnet.Config(image_size=224, width=64),
    connector=token_learner.Config(tokens=1),
    # minGPT's MLPs are two matrices of 4 x 120, these are three.
    language=LanguageConfig(width=120, layers=6, heads=6, kv_heads=6, mlp=320, instruction_tokens=32),
    words=False,
    attention="causal",
    grounding=NO_LABELS,
)
"""One token a frame."""


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """BeT: one of 64 clusters of actions, drawn, and an offset from its center.

    Published (arXiv 2206.11251 and its code): states instead of images for most tasks, a minGPT of 6 layers
    and width 120 over 10 observations, no language, which here comes through FiLM. See docs/systems/bet.md.
    """
    if size == "tiny":
        return system(data, updates, seed, head=bet.Config(), trunk=TrunkConfig(), chunk=1, history=2)
    head = bet.Config(offset=1000.0)
    base = system(data, updates, seed, head=head, trunk=PUBLISHED, chunk=1, history=10)
    optim = OptimConfig(lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, warmup=0, decay="constant")
    return replace(base, batch_size=64, optim=optim, ema_decay=0.0)
