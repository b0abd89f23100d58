"""Preset `pi0_fast`."""

from dataclasses import replace
from pathlib import Path

from ...policies.codecs import fast
from ...policies.heads import tokens
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ..config import TrainConfig
from ._system import Size, system
from .pi0 import PALIGEMMA, RECIPE


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """pi0-FAST: the trunk writes the byte pairs of a chunk's cosine coefficients, token by token.

    Published (arXiv 2501.09747 and openpi): PaliGemma 3B, 1024 pairs, the state as text, decoding without a
    grammar. See docs/systems/pi0_fast.md.

    The tiny one has 256 pairs, since a thousand demonstrations show most of 1024 too rarely to be learned. It
    takes about 11 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    codec = fast.Config(vocab=256 if size == "tiny" else 1024)
    head = tokens.Config(codec=codec, decoding="autoregressive", grammar=False, ids="words")
    if size == "tiny":
        language = LanguageConfig(vocab_size=1024, lm_head="tied")
        trunk = TrunkConfig(language=language, state="text")
        return system(data, updates, seed, head=head, trunk=trunk, chunk=8)
    base = system(data, updates, seed, head=head, trunk=replace(PALIGEMMA, state="text"), chunk=10)
    return replace(base, optim=RECIPE)
