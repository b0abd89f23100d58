"""Preset `debug`."""

from pathlib import Path

from ...policies.head import HeadConfig
from ...policies.heads import regression
from ...policies.language import LanguageConfig
from ...policies.networks import expert
from ...policies.policy import PolicyConfig
from ...policies.trunk import TrunkConfig
from ...vision.encoders import siglip
from ..config import DataConfig, TrainConfig
from ..optim import OptimConfig

HEAD = regression.Config(network=expert.Config(width=32, mlp=64))


def config(data: Path, *, updates: int = 4, seed: int = 0, head: HeadConfig = HEAD) -> TrainConfig:
    """Smoke test of the whole pipeline, in seconds on a CPU: a policy far too small to learn, four
    updates."""
    trunk = TrunkConfig(
        encoder=siglip.Config(image_size=32, width=32, layers=1, heads=2, mlp=64),
        language=LanguageConfig(width=32, layers=1, heads=2, kv_heads=2, mlp=64),
    )
    return TrainConfig(
        data=DataConfig(root=data, chunk=4),
        policy=PolicyConfig(trunk=trunk, head=head),
        optim=OptimConfig(warmup=1),
        updates=updates,
        batch_size=4,
        seed=seed,
        precision="fp32",
        threads=1,
        checkpoint_every=2,
    )
