"""Preset `vla0`."""

from dataclasses import replace
from pathlib import Path

from ...policies.codecs import text
from ...policies.heads import tokens
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ...vision.connectors import mlp
from ...vision.encoders import siglip
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, Size, system


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """VLA-0: an unchanged vision-language model that writes a chunk as whole numbers, digit by digit.

    Published (code at NVlabs/vla0): Qwen2.5-VL 3B, chunks of 8, up to 40 % of the digits hidden from the
    input in training. The sizes of Qwen2.5-VL are from memory. See docs/systems/vla0.md.

    The tiny one takes about 11 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    head = tokens.Config(codec=text.Config(), decoding="autoregressive", blanks=0.4)
    trunk = TrunkConfig(state="none", attention="causal")
    if size == "tiny":
        return system(data, updates, seed, head=head, trunk=trunk, chunk=4, norm="min_max")
    trunk = replace(
        trunk,
        # Qwen's MLP has three matrices of width 3420, this one two of the same size together.
        encoder=siglip.Config(
            image_size=224, patch=14, width=1280, layers=32, heads=16, mlp=5130, stem="patch"
        ),
        connector=mlp.Config(),
        language=LanguageConfig(
            width=2048, layers=36, heads=16, kv_heads=2, mlp=11008, instruction_tokens=256, vocab_size=151_936
        ),
        film=False,
        grounding=NO_LABELS,
    )
    base = system(data, updates, seed, head=head, trunk=trunk, chunk=8, norm="min_max")
    return replace(base, optim=OptimConfig(lr=5e-6, warmup=0, decay="constant"), ema_decay=0.0)
