"""Normalizer: maps environment units to about [-1, 1] and back; the checkpoint holds its statistics and
mode."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..common.errors import InputError

Mode = Literal["quantile", "min_max", "z_score", "none"]

SMALLEST = 1e-6
"""Variation below which a dimension (in its own unit) counts as constant: rounding rather than signal."""
NARROW = 0.02
"""Share of the range; quantiles that enclose less of it belong to a dimension that is mostly at rest."""
LEAST = 1e-3
"""Smallest scale of a dimension, as a share of the median scale of its vector or of its own center: a
dimension that barely moves contains noise, and slightly more of it must not look like a leap."""


class Normalizer(nn.Module):
    """Linear map (x - center) / scale of each dimension, and its inverse.

    | mode     | -1 and 1 stand for                  |
    |----------|-------------------------------------|
    | quantile | the 1% and the 99% quantile         |
    | min_max  | the smallest and the largest value  |
    | z_score  | mean minus and plus one deviation   |
    | none     | themselves                          |

    A constant dimension becomes 0, and comes back as its constant. A dimension that varies, but hardly
    between its quantiles (a gripper that moves once in 200 steps), is scaled by min_max; one that hardly
    varies at all stays near 0 (LEAST). Nothing is clipped, in or out: values beyond the quantiles are
    legitimate targets, and the environment knows its own bounds.
    """

    center: Tensor
    scale: Tensor
    mode_index: Tensor

    def __init__(self, mode: Mode, stats: Mapping[str, np.ndarray]) -> None:
        """`stats` holds min, max, mean, std, q01 and q99, each [d], over the training data."""
        super().__init__()
        self.mode = mode
        center, scale = affine(mode, {name: np.asarray(x, np.float64) for name, x in stats.items()})
        self.register_buffer("center", torch.tensor(center, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("mode_index", torch.tensor(get_args(Mode).index(mode)))
        self.register_load_state_dict_pre_hook(_check_mode)

    def normalize(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Maps from environment units."""
        varies = self.scale > 0
        return torch.where(varies, (x - self.center) / torch.where(varies, self.scale, 1.0), 0.0)

    def unnormalize(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Maps back to environment units."""
        return x * self.scale + self.center


def blank_stats(dim: int) -> dict[str, np.ndarray]:
    """Placeholder statistics for a normalizer whose real ones are about to be loaded."""
    return {name: np.zeros(dim) for name in ("min", "max", "mean", "std", "q01", "q99")}


def affine(mode: Mode, stats: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale of the normalizer of these statistics; scale 0 marks a constant dimension."""
    low, high = stats["min"], stats["max"]
    if mode == "none":
        return np.zeros_like(low), np.ones_like(low)
    if mode == "z_score":
        center, scale = stats["mean"], np.where(stats["std"] < SMALLEST, 0, stats["std"])
    else:
        if mode == "quantile":
            flat = stats["q99"] - stats["q01"] < np.maximum(SMALLEST, NARROW * (high - low))
            low, high = np.where(flat, low, stats["q01"]), np.where(flat, high, stats["q99"])
        center, scale = (low + high) / 2, np.where(high - low < SMALLEST, 0, (high - low) / 2)
    varies = scale > 0
    typical = np.median(scale[varies]) if varies.any() else 0.0
    return center, np.where(varies, np.maximum(scale, LEAST * np.maximum(typical, np.abs(center))), 0)


def _check_mode(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Rejects statistics of another mode, which must not be loaded into a normalizer reported as this one."""
    assert isinstance(module, Normalizer)
    saved = state.get(f"{prefix}mode_index")
    if saved is not None and int(saved) != int(module.mode_index):
        there = get_args(Mode)[int(saved)]
        raise InputError(
            f"{prefix[:-1]}: the weights were saved with mode {there!r}, the config says {module.mode!r}"
        )
