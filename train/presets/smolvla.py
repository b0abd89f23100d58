"""Preset `smolvla`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import flow
from ...policies.language import LanguageConfig
from ...policies.networks import expert
from ...policies.trunk import TrunkConfig
from ...vision.connectors import pixel_shuffle
from ...vision.encoders import siglip
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """SmolVLA: pi0's way of acting on half of a small model; actions see only those before them.

    Published (arXiv 2506.01844 and LeRobot): the first 16 layers of SmolVLM2 500M, frozen, and an expert
    three quarters as wide, chunks of 50. The sizes of SmolVLM2 are from memory; they add up to the number of
    parameters that LeRobot prints, to the last one. See docs/systems/smolvla.md.

    The tiny one takes about 7 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    if size == "tiny":
        head = flow.Config(network=expert.Config(causal=True))
        return system(data, updates, seed, head=head, trunk=TrunkConfig(), chunk=8, norm="z_score")
    head = flow.Config(network=expert.Config(width=720, mlp=2048, causal=True), draws=1)
    trunk = TrunkConfig(
        encoder=siglip.Config(
            image_size=512, patch=16, width=768, layers=12, heads=12, mlp=3072, stem="patch"
        ),
        connector=pixel_shuffle.Config(factor=4),
        language=LanguageConfig(
            width=960,
            layers=16,
            heads=15,
            kv_heads=5,
            mlp=2560,
            instruction_tokens=48,
            vocab_size=49_280,
            lm_head="untied",  # SmolVLA carries it along and never uses it
        ),
        film=False,
        grounding=NO_LABELS,
    )
    base = system(data, updates, seed, head=head, trunk=trunk, chunk=50, norm="z_score")
    optim = OptimConfig(
        lr=1e-4, betas=(0.9, 0.95), weight_decay=1e-10, warmup=1000, decay="cosine", clip=10.0
    )
    return replace(base, batch_size=64, optim=optim, ema_decay=0.0)
