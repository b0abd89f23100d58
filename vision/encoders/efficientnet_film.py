"""EfficientNet (arXiv 1905.11946) with FiLM after every block, as in RT-1 (arXiv 2212.06817).

RT-1's encoder is B3 (width 1.2, depth 1.4, 512 final channels, 300 pixels) with ImageNet weights; this one
starts from random weights. Group norms replace batch norms: an image's encoding does not depend on its batch,
and averaged weights (EMA) compute the function that was trained. Stochastic depth is left out. RT-1's eight
tokens come from the connector token_learner.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from ..encoder import EncoderConfig, VisionEncoder, grid_side
from ..linear import scaled_linear
from ..stem import FiLM, modulate

STRIDE = 32
GROUP = 8
"""Channels that share a norm; every width is a multiple of it."""
STEM = 32
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""Stages of B0 (table 1 of the paper): expansion, channels, blocks, stride, kernel size."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """EfficientNet of one of the paper's sizes, or smaller."""

    image_size: int = 64
    """Side length of the image [pixels]; each token covers 32."""
    width: float = 0.25
    """Factor on all channels: 1.0 in B0, 1.2 in B3."""
    depth: float = 0.5
    """Factor on the number of blocks of each stage, rounded up: 1.0 in B0, 1.4 in B3."""
    channels: int = 128
    """Width of a token; 512 in RT-1."""

    def build(
        self, condition_dim: int | None, architecture: dict[str, Any] | None = None
    ) -> "EfficientNetFiLM":
        """Builds the encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the image is not a whole number of tokens wide, or a size is not positive.
        """
        for name in ("width", "depth", "channels"):
            if getattr(self, name) <= 0:
                raise InputError(f"encoder: {name} must be positive, got {getattr(self, name)}")
        return EfficientNetFiLM(self, condition_dim)


class EfficientNetFiLM(VisionEncoder):
    """Blocks followed by one projection, with FiLM (if conditioned) after each."""

    def __init__(self, config: Config, condition_dim: int | None) -> None:
        super().__init__()
        self.image_size, self.dim = config.image_size, config.channels
        self.tokens_per_image = grid_side(config.image_size, STRIDE) ** 2
        before = rounded(STEM * config.width)
        self.stem = nn.Sequential(*convolution(3, before, 3, 2), nn.SiLU())
        self.blocks = nn.ModuleList()
        for expansion, channels, blocks, stride, kernel in STAGES:
            after = rounded(channels * config.width)
            for i in range(math.ceil(blocks * config.depth)):
                self.blocks.append(
                    MBConv(before, after, expansion, stride if i == 0 else 1, kernel, condition_dim)
                )
                before = after
        self.projection = scaled_linear(before, config.channels)
        self.film = FiLM(condition_dim, config.channels) if condition_dim else None

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens in row order."""
        x = self.stem(images)
        for block in self.blocks:
            x = block(x, condition)
        x = self.projection(rearrange(x, "b c y x -> b y x c"))
        if self.film is not None and condition is not None:
            x = self.film(x, condition)
        return rearrange(x, "b y x d -> b (y x) d")


class MBConv(nn.Module):
    """Inverted bottleneck: expansion, depthwise convolution, squeeze and excitation, projection."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int, condition_dim: int | None
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = (
            nn.Sequential(*convolution(inputs, wide, 1, 1), nn.SiLU()) if expansion > 1 else nn.Identity()
        )
        self.depthwise = nn.Sequential(*convolution(wide, wide, kernel, stride, groups=wide), nn.SiLU())
        # Channels are squeezed to a quarter of their number before the expansion.
        self.squeeze = nn.Conv2d(wide, max(inputs // 4, 1), 1)
        self.excite = nn.Conv2d(max(inputs // 4, 1), wide, 1)
        self.project = nn.Sequential(*convolution(wide, outputs, 1, 1))
        self.residual = stride == 1 and inputs == outputs
        self.film = FiLM(condition_dim, outputs) if condition_dim else None

    def forward(
        self, x: Float[Tensor, "b i h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b o y x"]:
        """Features at the same resolution, or at half of it."""
        wide = self.depthwise(self.expand(x))
        mean = reduce(wide, "b c h w -> b c 1 1", "mean")
        narrow = self.project(wide * self.excite(F.silu(self.squeeze(mean))).sigmoid())
        return modulate(self.film, x + narrow if self.residual else narrow, condition)


def convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> list[nn.Module]:
    """A convolution and its norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.GroupNorm(outputs // GROUP, outputs)]


def rounded(channels: float) -> int:
    """Nearest multiple of 8, at least 8 and at least 90% of the requested number."""
    nearest = max(GROUP, int(channels + GROUP / 2) // GROUP * GROUP)
    return nearest if nearest >= 0.9 * channels else nearest + GROUP
