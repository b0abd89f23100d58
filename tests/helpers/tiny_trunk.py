"""A trunk small enough for tests, and what it eats."""

from dataclasses import replace
from typing import Any

import torch

from vlasandbox.policies.language import LanguageConfig
from vlasandbox.policies.trunk import Trunk, TrunkConfig
from vlasandbox.policies.types import Grounding, Observation, Prefix
from vlasandbox.vision.encoders import siglip

INSTRUCTIONS = ["pick up the red cube", "pick up the blue can", "stop"]
VIEWS, STATE = 2, 5

CONFIG = TrunkConfig(
    encoder=siglip.Config(image_size=32, width=16, heads=2, mlp=32),
    language=LanguageConfig(width=16, layers=2, heads=4, kv_heads=2, mlp=32, instruction_tokens=6),
)


def tiny_trunk(config: TrunkConfig = CONFIG, seed: int = 0, **changes: Any) -> Trunk:
    """The same weights for the same seed."""
    torch.manual_seed(seed)
    return replace(config, **changes).build(VIEWS, STATE, INSTRUCTIONS)


def observation(instructions: list[str], seed: int = 0, size: int = 32) -> Observation:
    """Random images and states, one row per instruction; row i is the same however many follow."""
    rows = [torch.Generator().manual_seed(seed * 1000 + i) for i in range(len(instructions))]
    shape = (VIEWS, size, size, 3)
    images = torch.stack([torch.randint(0, 256, shape, generator=g, dtype=torch.uint8) for g in rows])
    return Observation(images, torch.stack([torch.randn(STATE, generator=g) for g in rows]), instructions)


def grounding(rows: int, seed: int = 0) -> Grounding:
    """Random labels, all in sight."""
    g = torch.Generator().manual_seed(seed)
    return Grounding(torch.rand(rows, VIEWS, 2, generator=g), torch.rand(rows, 3, generator=g))


def tokens(m: int, b: int = 3, seed: int = 7) -> torch.Tensor:
    return torch.randn(b, m, 16, generator=torch.Generator().manual_seed(seed)) * 0.2


def assert_same(one: Prefix, other: Prefix) -> None:
    torch.testing.assert_close({**vars(one), "trunk": None}, {**vars(other), "trunk": None})
