"""Preset `pi0`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import flow
from ...policies.language import LanguageConfig
from ...policies.networks import expert
from ...policies.trunk import TrunkConfig
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, SO400M, Size, system

PALIGEMMA = TrunkConfig(
    encoder=SO400M,
    language=LanguageConfig(
        width=2048,
        layers=18,
        heads=8,
        kv_heads=1,
        mlp=16384,
        instruction_tokens=48,
        vocab_size=257_152,
        lm_head="tied",
    ),
    film=False,
    grounding=NO_LABELS,
)
"""SigLIP So400m, one linear layer, Gemma 2B."""

RECIPE = OptimConfig(lr=2.5e-5, betas=(0.9, 0.95), weight_decay=1e-10, warmup=1000, decay="cosine")
"""Optimizer of openpi, whose cosine ends at a tenth of the peak; this one ends at 0."""


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """pi0: flow matching by an action expert that shares every attention with the trunk.

    Published (arXiv 2410.24164 and openpi): PaliGemma 3B and an expert of 300 M parameters, chunks of 50,
    ten Euler steps; their sum, 3.3 B, is quoted from memory. See docs/systems/pi0.md.

    The tiny one takes about 7 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    if size == "tiny":
        return system(data, updates, seed, head=flow.Config(), trunk=TrunkConfig(), chunk=8, norm="z_score")
    head = flow.Config(network=expert.Config(width=1024, mlp=4096), draws=1)
    base = system(data, updates, seed, head=head, trunk=PALIGEMMA, chunk=50, norm="z_score")
    return replace(base, optim=RECIPE)
