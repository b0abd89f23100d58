"""Octo's image tokenizer (arXiv 2405.12213, "SmallStem16"): four convolutions and one projection.

Octo leaves all mixing of patches to its trunk. FiLM (if conditioned) follows the projection, as in its code.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..encoder import EncoderConfig, VisionEncoder, check_sizes, grid_side
from ..linear import scaled_linear
from ..stem import FiLM

CHANNELS = (32, 96, 192, 384)
STRIDE = 16
GROUPS = 32
"""Groups of each norm: flax's default."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """SmallStem with Octo's sizes except for those here."""

    image_size: int = 64
    """Side length of the image [pixels]; each token covers 16. Octo's are 256 and 128."""
    width: int = 128
    """Width of a token; 512 in Octo."""

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "SmallStem":
        """Builds the encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the image is not a whole number of tokens wide, or the width is below 1.
        """
        check_sizes(self, "width")
        return SmallStem(self, condition_dim)


class SmallStem(VisionEncoder):
    """One token per 16 x 16 pixels, with a receptive field of 31 x 31."""

    def __init__(self, config: Config, condition_dim: int | None) -> None:
        super().__init__()
        self.image_size, self.dim = config.image_size, config.width
        self.tokens_per_image = grid_side(config.image_size, STRIDE) ** 2
        self.convs = nn.ModuleList(
            StandardisedConv2d(before, after, 3, stride=2, padding=1)
            for before, after in pairwise((3, *CHANNELS))
        )
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, channels) for channels in CHANNELS)
        self.projection = scaled_linear(CHANNELS[-1], config.width)
        self.film = FiLM(condition_dim, config.width) if condition_dim else None

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens in row order."""
        x = images
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        x = self.projection(rearrange(x, "b c y x -> b y x c"))
        if self.film is not None and condition is not None:
            x = self.film(x, condition)
        return rearrange(x, "b y x d -> b (y x) d")


class StandardisedConv2d(nn.Conv2d):
    """A convolution whose weights have mean 0 and variance 1 per output channel (arXiv 1903.10520)."""

    def forward(self, input: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o y x"]:
        """Convolves with weights standardized as in Octo."""
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        weight = weight / (weight.std(dim=(1, 2, 3), keepdim=True, correction=0) + 1e-5)
        return self._conv_forward(input, weight, self.bias)
