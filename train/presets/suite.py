"""Preset `suite`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import flow
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ..config import TrainConfig
from ._pick import pick


def config(data: Path, *, updates: int = 15_000, seed: int = 0) -> TrainConfig:
    """One policy for many tasks, by instruction alone: the recipe of `pick_flow` with room for longer
    sentences and more updates. Sampling starts without noise: of 240 validation episodes on 16 tasks, 142
    then succeeded, and 128 with noise.
    """
    base = pick(flow.Config(temperature=0.0), data, updates, seed)
    trunk = TrunkConfig(language=LanguageConfig(instruction_tokens=24))
    return replace(base, policy=replace(base.policy, trunk=trunk))
