"""Uniform bins per action value, one id each, step by step and within a step dimension by dimension.

Widths and centers differ between published codecs, and two of them are biased by half a bin:

    convention  width             value of id i              bias on [-1, 1], 256 bins  source
    centre      span / bins       low + (i + 1/2) * width    0
    rt1         span / (bins - 1) low + i * width            -1/255                     robotics_transformer
    openpi      span / bins       low + i * width            -1/256                     BinningTokenizer

OpenVLA's 256 edges from -1 to 1 enclose 255 bins, decoded to their centers: `bins=255`, "centre".
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...common.errors import InputError
from ..codec import ActionCodec, CodecConfig
from ..reach import Reach


@dataclass(frozen=True)
class Config(CodecConfig):
    """`bins` equal intervals of [low, high], the same for every action dimension."""

    bins: int = 256
    low: float = -1.0
    """Smallest normalized action; anything below is clipped to the first bin."""
    high: float = 1.0
    """Largest normalized action; anything above is clipped to the last bin."""
    convention: Literal["centre", "rt1", "openpi"] = "centre"
    """Published convention for widths and centers; see above. All but "centre" serve for comparison."""

    @property
    def reach(self) -> Reach:
        """Range from low to high."""
        return self.low, self.high

    def build(self, chunk: int, action_dim: int) -> "Bins":
        """Builds the codec.

        Raises:
            ValueError: fewer than two bins, or an empty range.
        """
        if self.bins < 2:
            raise InputError(f"bins must be at least 2, got {self.bins}")
        if not -math.inf < self.low < self.high < math.inf:
            raise InputError(f"low must be below high, both finite, got [{self.low}, {self.high}]")
        return Bins(self, chunk, action_dim)


class Bins(ActionCodec):
    """Action value <-> index of its bin, 0 .. bins - 1."""

    def __init__(self, config: Config, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.vocab_size, self.length = config.bins, chunk * action_dim
        self.action_dim = action_dim
        self.low, self.span = config.low, config.high - config.low
        self.intervals = config.bins - (config.convention == "rt1")
        self.within = 0.5 if config.convention == "centre" else 0.0
        centres = self._values(torch.arange(config.bins))
        self.register_buffer("centres", repeat(centres, "v -> v a", a=action_dim), persistent=False)

    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b m"]:
        """Index of the bin that contains each value, clipped to the range."""
        index = ((actions.float() - self.low) / self.span * self.intervals).floor()
        return rearrange(index.clamp(0, self.vocab_size - 1).long(), "b k a -> b (k a)")

    def decode(self, ids: Int[Tensor, "b m"]) -> tuple[Float[Tensor, "b k a"], Bool[Tensor, " b"]]:
        """Value that represents each bin; every sequence is valid."""
        index = rearrange(ids, "b (k a) -> b k a", a=self.action_dim)
        return self._values(index), ids.new_zeros(len(ids)).bool()

    def known(self, ids: Int[Tensor, "b m"], mask: Bool[Tensor, "b k"]) -> Bool[Tensor, "b m"]:
        """Ids of the steps in `mask`."""
        return repeat(mask, "b k -> b (k a)", a=self.action_dim)

    def _values(self, index: Tensor) -> Tensor:
        return (index.float() + self.within) * (self.span / self.intervals) + self.low
