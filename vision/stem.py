"""Image stems: a grid of features at reduced resolution, the first part of a transformer encoder."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class FiLM(nn.Module):
    """(1 + gamma) x + beta per channel, computed from a condition (arXiv 1709.07871); initially the
    identity."""

    def __init__(self, condition_dim: int, channels: int) -> None:
        super().__init__()
        self.affine = nn.Linear(condition_dim, 2 * channels)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(
        self, x: Float[Tensor, "b h w c"], condition: Float[Tensor, "b e"]
    ) -> Float[Tensor, "b h w c"]:
        """Scales and shifts each channel of `x`."""
        gamma, beta = self.affine(condition)[:, None, None].chunk(2, dim=-1)
        return x * (1 + gamma) + beta


def modulate(
    film: FiLM | None, x: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
) -> Float[Tensor, "b c h w"]:
    """Applies `film` to channels-first features; returns `x` unchanged if there is no condition."""
    if film is None or condition is None:
        return x
    return rearrange(film(rearrange(x, "b c h w -> b h w c"), condition), "b h w c -> b c h w")


class ConvStem(nn.Module):
    """Four convolutions of stride 2, each followed by a norm, FiLM (if conditioned) and ReLU.

    Early convolutions instead of one patch projection: arXiv 2106.14881. The norm runs over the channels of
    each pixel: without batch statistics, averaged weights (EMA) compute the function that was trained.
    """

    stride = 16

    def __init__(self, width: int, condition_dim: int | None) -> None:
        super().__init__()
        channels = [3, width // 4, width // 2, width * 3 // 4, width]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(c) for c in channels[1:])
        self.films = nn.ModuleList(FiLM(condition_dim, c) for c in channels[1:] if condition_dim)

    def forward(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b y x d"]:
        """One feature vector per 16 x 16 pixels."""
        x = images.contiguous(memory_format=torch.channels_last)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = norm(rearrange(conv(x), "b c h w -> b h w c"))
            if condition is not None:
                x = self.films[i](x, condition)
            x = rearrange(F.relu(x), "b h w c -> b c h w")
        return rearrange(x, "b d y x -> b y x d")


class PatchStem(nn.Module):
    """Patch projection of a vision transformer, followed by FiLM (if conditioned)."""

    def __init__(self, projection: nn.Conv2d, condition_dim: int | None) -> None:
        super().__init__()
        self.projection = projection
        self.film = FiLM(condition_dim, projection.out_channels) if condition_dim else None

    def forward(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b y x d"]:
        """One feature vector per patch."""
        x = rearrange(self.projection(images), "b d y x -> b y x d")
        return x if self.film is None or condition is None else self.film(x, condition)
