"""Uniform bins per action value, decoded to their centres.

Widths and edges differ between published codecs, and two of them are biased: RT-1 floors and openpi decodes
to the left edge, each half a bin too low on average. Here `centre(i) = low + (i + 1/2) * width`, so an
action within the range comes back within half a bin (1/256 for 256 bins over [-1, 1]), without bias.
"""

import math
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ..codec import ActionCodec, CodecConfig


@dataclass(frozen=True)
class Config(CodecConfig):
    """`bins` equal intervals of [low, high], the same for every action dimension."""

    bins: int = 256
    low: float = -1.0
    """Smallest normalised action; anything below is clipped to the first bin."""
    high: float = 1.0
    """Largest normalised action; anything above is clipped to the last bin."""

    def build(self) -> "Bins":
        """The codec.

        Raises:
            ValueError: fewer than two bins, or an empty range.
        """
        if self.bins < 2:
            raise ValueError(f"bins must be at least 2, got {self.bins}")
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"low must be below high, both finite, got [{self.low}, {self.high}]")
        return Bins(self)


class Bins(ActionCodec):
    """Action value <-> index of its bin, 0 .. bins - 1."""

    def __init__(self, config: Config) -> None:
        self.vocab_size = config.bins
        self.low = config.low
        self.width = (config.high - config.low) / config.bins

    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b k a"]:
        """Index of the bin that holds each value, which is the nearest centre's; clipped to the range."""
        index = ((actions.float() - self.low) / self.width).floor()
        return index.clamp(0, self.vocab_size - 1).long()

    def decode(self, tokens: Int[Tensor, "b k a"]) -> Float[Tensor, "b k a"]:
        """Centre of each bin."""
        return (tokens.float() + 0.5) * self.width + self.low
