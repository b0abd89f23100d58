"""Preset `openvla`."""

from dataclasses import replace
from pathlib import Path

from ...policies.codecs import bins
from ...policies.heads import tokens
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ...vision.connectors import mlp
from ...vision.encoders import dual
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import DINOV2_SIGLIP, NO_LABELS, Size, system

TINY = TrunkConfig(encoder=dual.Config(), connector=mlp.Config(layers=3), state="none", attention="causal")
"""Tiny trunk without spare words; OpenVLA-OFT has the same."""
PUBLISHED = replace(
    TINY,
    encoder=DINOV2_SIGLIP,
    language=LanguageConfig(
        width=4096,
        layers=32,
        heads=32,
        kv_heads=32,
        mlp=11008,
        instruction_tokens=64,
        vocab_size=32_064,
        lm_head="untied",
    ),
    film=False,
    grounding=NO_LABELS,
)
"""SigLIP and DINOv2 into Llama 2 7B."""


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """OpenVLA: two image encoders joined channel by channel, one action as 255 bins, token by token.

    Published (arXiv 2406.09246 and its code): DINOv2 L and SigLIP So400m into Llama 2 7B, no proprioception;
    the number of all parameters, 7.5 B, is quoted from memory. See docs/systems/openvla.md.

    The tiny one takes about 8 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    head = tokens.Config(codec=bins.Config(bins=255), decoding="autoregressive", ids="words")
    words = LanguageConfig(vocab_size=512, lm_head="untied")
    trunk = replace(TINY, language=words) if size == "tiny" else PUBLISHED
    base = system(data, updates, seed, head=head, trunk=trunk, chunk=1)
    if size == "tiny":
        return base
    optim = OptimConfig(lr=2e-5, betas=(0.9, 0.999), weight_decay=0.0, warmup=0, decay="constant")
    return replace(base, batch_size=2048, optim=optim, ema_decay=0.0)
