"""Common part of the pick presets: everything but the action head, so that nothing else is compared."""

from pathlib import Path

from ...policies.head import HeadConfig
from ...policies.policy import PolicyConfig
from ..config import DataConfig, TrainConfig


def pick(head: HeadConfig, data: Path, updates: int, seed: int) -> TrainConfig:
    """A tiny trunk from scratch (64 pixels, width 128, one vision and three language layers, FiLM, grounding)
    trained with batches of 32 on windows of 8 actions.
    """
    return TrainConfig(
        data=DataConfig(root=data), policy=PolicyConfig(head=head), updates=updates, batch_size=32, seed=seed
    )
