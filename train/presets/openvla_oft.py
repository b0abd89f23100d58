"""Preset `openvla_oft`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import regression
from ...policies.networks import readout_mlp
from ..config import TrainConfig
from ..optim import OptimConfig
from . import openvla
from ._system import Size, system


def config(data: Path, *, updates: int = 3500, seed: int = 0, size: Size = "tiny") -> TrainConfig:
    """OpenVLA-OFT: OpenVLA's trunk reads out empty placeholders in parallel, a residual MLP makes actions.

    Published (arXiv 2502.19645 and its code): OpenVLA 7B with bidirectional attention, a token of
    proprioception, chunks of 8 with L1 loss, LoRA of rank 32. See docs/systems/openvla_oft.md.

    The tiny one takes about 12 minutes on one CPU core; its success is in docs/systems/RESULTS.md.
    """
    head = regression.Config(network=readout_mlp.Config())
    trunk = openvla.TINY if size == "tiny" else openvla.PUBLISHED
    trunk = replace(trunk, state="token", attention="prefix")
    base = system(data, updates, seed, head=head, trunk=trunk, chunk=8)
    if size == "tiny":
        return base
    optim = OptimConfig(lr=5e-4, betas=(0.9, 0.999), warmup=0, decay="constant")
    return replace(base, batch_size=64, optim=optim, ema_decay=0.0)
