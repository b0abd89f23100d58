"""Preset `rt1`."""

from dataclasses import replace
from pathlib import Path

from ...policies.codecs import bins
from ...policies.heads import tokens
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ...vision.connectors import token_learner
from ...vision.encoders import efficientnet_film
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """RT-1: an EfficientNet that the instruction steers by FiLM, eight tokens a frame, one action as bins.

    Published (arXiv 2212.06817 and its code): EfficientNet-B3, 6 frames, 8 decoder layers of width 512, no
    proprioception. Its 35 M parameters are quoted from memory. See docs/systems/rt1.md.

    The tiny one takes about 14 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    head = tokens.Config(codec=bins.Config(convention="rt1"), decoding="placeholder")
    trunk = TrunkConfig(
        encoder=efficientnet_film.Config(),
        connector=token_learner.Config(),
        state="none",
        words=False,
        attention="causal",
    )
    if size == "tiny":
        base = system(data, updates, seed, head=head, trunk=trunk, chunk=1, history=2, norm="min_max")
        # On a CPU, convolutions channel by channel are slower in bf16: 0.32 s an update instead of 0.18 s.
        return replace(base, precision="fp32")
    trunk = replace(
        trunk,
        encoder=efficientnet_film.Config(image_size=288, width=1.2, depth=1.4, channels=512),
        # Published are heads 128 wide, twice ours, and a feed-forward layer of one matrix 512 x 512: this mlp
        # brings a layer to the same size.
        language=LanguageConfig(width=512, layers=8, heads=8, kv_heads=8, mlp=896, instruction_tokens=32),
        grounding=NO_LABELS,
    )
    base = system(data, updates, seed, head=head, trunk=trunk, chunk=1, history=6, norm="min_max")
    return replace(base, optim=OptimConfig(lr=1e-4, betas=(0.9, 0.999), weight_decay=0.0))
