"""Preset `rt2`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import tokens
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ...vision.encoders import siglip
from ..config import TrainConfig
from ._system import NO_LABELS, Size, system


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """RT-2: a vision-language model that writes one action as eight bins, token by token.

    Published (arXiv 2307.15818): PaLM-E 12B or PaLI-X 5B and 55B, fine-tuned together with web data. No code
    was released, and every number here is from memory, those of PaLM 8B and ViT-e (the parts of PaLM-E 12B)
    included. See docs/systems/rt2.md.

    The tiny one takes about 7 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    head = tokens.Config(decoding="autoregressive", ids="words")
    language = LanguageConfig(vocab_size=512, lm_head="tied")
    trunk = TrunkConfig(language=language, state="none", attention="causal")
    if size == "published":
        trunk = replace(
            trunk,
            encoder=siglip.Config(
                image_size=224, patch=14, width=1792, layers=56, heads=16, mlp=15360, stem="patch"
            ),
            language=LanguageConfig(
                width=4096,
                layers=32,
                heads=16,
                kv_heads=1,
                mlp=16384,
                instruction_tokens=64,
                vocab_size=256_000,
                lm_head="tied",
            ),
            film=False,
            grounding=NO_LABELS,
        )
    return system(data, updates, seed, head=head, trunk=trunk, chunk=1, norm="min_max")
