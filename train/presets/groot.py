"""Preset `groot`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import flow
from ...policies.language import LanguageConfig
from ...policies.networks import dit, groot_dit
from ...policies.trunk import TrunkConfig
from ...vision.connectors import mlp
from ..config import TrainConfig
from ..optim import OptimConfig
from ._system import NO_LABELS, SO400M, Size, system

EAGLE = TrunkConfig(
    encoder=SO400M,
    connector=mlp.Config(),
    language=LanguageConfig(
        width=2048, layers=12, heads=32, kv_heads=32, mlp=8192, instruction_tokens=64, vocab_size=49_152
    ),
    film=False,
    grounding=NO_LABELS,
)
"""SigLIP 2 So400m and the lower half of SmolLM2 1.7B."""


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """GR00T N1: two systems; a diffusion transformer looks at the hidden states of a language model.

    Published (arXiv 2503.14734): 12 layers of Eagle-2 and a DiT of 16, flow matching in 4 steps. The paper's
    sizes are from notes and from memory, the rest from LeRobot's port of N1.7. See docs/systems/groot.md.
    """
    if size == "tiny":
        head = flow.Config(network=dit.Config(attention="alternate"), steps=4)
        return system(data, updates, seed, head=head, trunk=TrunkConfig(), chunk=8, norm="min_max")
    network = groot_dit.Config(width=1536, blocks=8, heads=32, mlp=6144, robots=32)
    head = flow.Config(network=network, steps=4, draws=1)
    base = system(data, updates, seed, head=head, trunk=EAGLE, chunk=16, norm="min_max")
    optim = OptimConfig(lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-5, warmup=5000, decay="cosine")
    return replace(base, batch_size=1024, optim=optim, ema_decay=0.0)
