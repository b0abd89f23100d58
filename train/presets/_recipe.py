"""Recipes of the tiny presets' training: the present one and the former one.

`pick_flow` and `pick_flow:recipe=2026-11` differ in nothing else, so that published findings can be repeated.
"""

from dataclasses import replace

from ...vision.connectors import linear, pixel_shuffle
from ..config import TrainConfig
from ..optim import OptimConfig
from . import Recipe

OPTIM = OptimConfig(lr=2e-3, muon_lr=4e-3, warmup=50)
KEYPOINTS = 4


def apply(recipe: Recipe, config: TrainConfig) -> TrainConfig:
    """Applies `recipe` to the configuration that a preset wrote for the first recipe.

    2026-11 leaves it as it is. 2026-12 adds keypoints, makes four image tokens per view of 16, trains hidden
    matrices by Muon, and no longer shifts images at random. Only policies that learn from a simulator's
    labels have it, and what a preset chose itself stays: another connector than the default, another
    optimizer.
    """
    policy, trunk = config.policy, config.policy.trunk
    if recipe == "2026-11" or not trunk.grounding.heat:
        return config
    trunk = replace(trunk, grounding=replace(trunk.grounding, keypoints=KEYPOINTS))
    if trunk.connector == linear.Config():
        trunk = replace(trunk, connector=pixel_shuffle.Config(factor=2))
    optim = OPTIM if config.optim == OptimConfig() else config.optim
    return replace(config, policy=replace(policy, trunk=trunk, shift=0), optim=optim)
