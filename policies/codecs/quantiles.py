"""Bins of equal probability per action value: fine where actions are frequent, coarse where they are rare.

The value of id i is the quantile (i + 1/2) / bins of the training data, dimension by dimension, or of the
standard normal distribution (Octo's "normal" bins, for z-scored actions; from memory, and there the edges are
the quantiles). An action becomes the id of the nearest such value. A value that the data repeats, such as the
two of a gripper, is met exactly; ids that share it decode alike.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...common.errors import InputError
from ..codec import ActionCodec, CodecConfig


@dataclass(frozen=True)
class Config(CodecConfig):
    """Quantile codec with `bins` values per action dimension."""

    bins: int = 256
    source: Literal["data", "normal"] = "data"
    """Source of the quantiles: the training data, or the standard normal distribution."""

    def build(self, chunk: int, action_dim: int) -> "Quantiles":
        """Builds the codec.

        Raises:
            ValueError: fewer than two bins.
        """
        if self.bins < 2:
            raise InputError(f"bins must be at least 2, got {self.bins}")
        return Quantiles(self, chunk, action_dim)


class Quantiles(ActionCodec):
    """Action value <-> index of the nearest of `bins` ascending values."""

    def __init__(self, config: Config, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.vocab_size, self.length = config.bins, chunk * action_dim
        self.action_dim = action_dim
        self.fitted = config.source == "data"
        normal = torch.special.ndtri(_levels(config.bins)).float()
        self.register_buffer("centres", repeat(normal, "v -> v a", a=action_dim).contiguous())

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Computes the quantiles of each dimension if the data is their source."""
        if self.fitted:
            values = rearrange(actions, "n k a -> a (n k)").double().sort(dim=1).values
            # torch.quantile rejects large inputs.
            index = (_levels(self.vocab_size) * values.shape[1]).long().to(values.device)
            self.get_buffer("centres").copy_(rearrange(values[:, index], "a v -> v a"))

    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b m"]:
        """Index of the nearest value; of several equal ones, the first."""
        centres = self.get_buffer("centres")
        edges = rearrange((centres[1:] + centres[:-1]) / 2, "e a -> a e").contiguous()
        values = rearrange(actions.float(), "b k a -> a (b k)").contiguous()
        return rearrange(torch.searchsorted(edges, values), "a (b k) -> b (k a)", b=len(actions))

    def decode(self, ids: Int[Tensor, "b m"]) -> tuple[Float[Tensor, "b k a"], Bool[Tensor, " b"]]:
        """Value of each id; every sequence is valid."""
        index = rearrange(ids, "b (k a) -> (b k) a", a=self.action_dim)
        values = rearrange(self.get_buffer("centres").gather(0, index), "(b k) a -> b k a", b=len(ids))
        return values, ids.new_zeros(len(ids)).bool()

    def known(self, ids: Int[Tensor, "b m"], mask: Bool[Tensor, "b k"]) -> Bool[Tensor, "b m"]:
        """Ids of the steps in `mask`."""
        return repeat(mask, "b k -> b (k a)", a=self.action_dim)


def _levels(bins: int) -> Float[Tensor, " v"]:
    return (torch.arange(bins, dtype=torch.float64) + 0.5) / bins
