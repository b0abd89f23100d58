"""Preset `suite`."""

from dataclasses import replace
from pathlib import Path

from ...policies.heads import flow
from ...policies.language import LanguageConfig
from ...policies.trunk import TrunkConfig
from ..config import TrainConfig
from ._pick import pick


def config(data: Path, *, updates: int = 20_000, seed: int = 0) -> TrainConfig:
    """One policy for many tasks, by instruction alone: the recipe of `pick_flow` with room for longer
    sentences and more updates. Its noise is kept when sampling, since some tasks have several ways.
    """
    base = pick(flow.Config(), data, updates, seed)
    trunk = TrunkConfig(language=LanguageConfig(instruction_tokens=24))
    return replace(base, policy=replace(base.policy, trunk=trunk))
