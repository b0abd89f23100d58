"""Sines and cosines of a time or a position, with periods from short to long."""

import math

import torch
from torch import Tensor, nn

from ...common.errors import InputError


class Sines(nn.Module):
    """[...] -> [..., width]: width / 2 sines, then as many cosines, their periods in geometric series."""

    rate: Tensor
    phase: Tensor

    def __init__(self, width: int, shortest: float, longest: float) -> None:
        """Sets the periods, from `shortest` to `longest` in units of the input.

        Raises:
            ValueError: `width` is not a positive even number.
        """
        super().__init__()
        if width < 2 or width % 2:
            raise InputError(f"width must be even and positive, got {width}")
        half = width // 2
        periods = shortest * (longest / shortest) ** torch.linspace(0, 1, half)
        self.register_buffer("rate", (2 * math.pi / periods).repeat(2), persistent=False)
        phase = torch.cat([torch.zeros(half), torch.full((half,), math.pi / 2)])
        self.register_buffer("phase", phase, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps each number of `x` to a vector."""
        return torch.addcmul(self.phase, x.unsqueeze(-1), self.rate).sin()


def of_time(width: int) -> Sines:
    """Features of t in [0, 1], from noise to data, with the periods of pi0 (arXiv 2410.24164)."""
    return Sines(width, 4e-3, 4.0)


def of_position(width: int) -> Sines:
    """Features of 0, 1, 2, ..., with the periods of arXiv 1706.03762 (and of DETR)."""
    return Sines(width, 2 * math.pi, 2 * math.pi * 1e4)
