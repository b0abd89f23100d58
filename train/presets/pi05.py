"""Preset `pi05`."""

from dataclasses import replace
from pathlib import Path

from ...policies.codecs import fast
from ...policies.heads import flow, insulated, tokens
from ...policies.language import LanguageConfig
from ...policies.networks import adarms_expert
from ...policies.trunk import TrunkConfig
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import Size, system
from .pi0 import PALIGEMMA

SPOKEN = tokens.Config(codec=fast.Config(vocab=1024), decoding="autoregressive", grammar=False, ids="words")


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """pi0.5 with knowledge insulation: the trunk learns FAST tokens, an insulated expert acts by flow.

    Published (arXiv 2504.16054, 2505.23705 and openpi): PaliGemma 3B, an expert of 300 M parameters whose
    norms know the time, alpha 10 after a stage of tokens alone. See docs/systems/pi05.md.

    The tiny one takes about 12 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    if size == "tiny":
        acting = flow.Config(network=adarms_expert.Config())
        head = insulated.Config(tokens=SPOKEN, flow=acting, alpha=10.0)
        language = LanguageConfig(vocab_size=2048, lm_head="tied")
        trunk = TrunkConfig(language=language, state="text")
        return system(data, updates, seed, head=head, trunk=trunk, chunk=8)
    acting = flow.Config(network=adarms_expert.Config(width=1024, mlp=4096), draws=1)
    head = insulated.Config(tokens=SPOKEN, flow=acting, alpha=10.0)
    language = replace(PALIGEMMA.language, instruction_tokens=200)
    trunk = replace(PALIGEMMA, language=language, state="text")
    base = system(data, updates, seed, head=head, trunk=trunk, chunk=50)
    optim = OptimConfig(lr=5e-5, betas=(0.9, 0.95), weight_decay=1e-10, warmup=10_000, decay="constant")
    return replace(base, batch_size=256, optim=optim, ema_decay=0.999)
