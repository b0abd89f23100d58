"""Common parts of the presets for published systems: two sizes, and the parts of trunks that occur twice."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from ...policies.grounding import GroundingConfig
from ...policies.head import HeadConfig
from ...policies.normalizer import Mode
from ...policies.policy import PolicyConfig
from ...policies.trunk import TrunkConfig
from ...vision.encoders import dinov2, dual, siglip
from ..config import TrainConfig
from ._pick import pick

Size = Literal["tiny", "published"]
"""Size of a preset. tiny: the trunk of the pick presets where the system allows it, minutes on two CPU
cores. published: the published widths and depths, from random weights; for a GPU, and from checkpoints where
one has them."""

SO400M = siglip.Config(image_size=224, patch=14, width=1152, layers=27, heads=16, mlp=4304, stem="patch")
"""The image encoder of pi0 and its kin, and one of OpenVLA's two (google/siglip-so400m-patch14-224)."""

DINOV2_SIGLIP = dual.Config(dinov2.Config(image_size=224, patch=14, width=1024, layers=24, heads=16), SO400M)
"""OpenVLA's image encoder: DINOv2 ViT-L/14 with registers, and SigLIP."""

NO_LABELS = GroundingConfig(heat=0.0, position=0.0)
"""Grounding without losses: no published system has labels of a simulator to learn from."""


def system(
    data: Path,
    updates: int,
    seed: int,
    *,
    head: HeadConfig,
    trunk: TrunkConfig,
    chunk: int,
    history: int = 1,
    norm: Mode = "quantile",
) -> TrainConfig:
    """Configuration that trains another policy as the pick presets do."""
    base = pick(head, data, updates, seed)
    return replace(
        base,
        data=replace(base.data, chunk=chunk, history=history),
        policy=PolicyConfig(head=head, trunk=trunk, action_norm=norm, state_norm=norm),
    )
