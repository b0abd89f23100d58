"""ResNet-18 (arXiv 1512.03385) with group norms, as in Diffusion Policy (arXiv 2303.04137): its feature map.

Without batch statistics an image is encoded alike in any company, and averaged weights (EMA) meet the
function that was trained. Its keypoints, as Diffusion Policy reads them out, come from the connector
spatial_softmax.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..encoder import EncoderConfig, VisionEncoder, grid_side
from ..stem import FiLM, modulate

STRIDE = 32
GROUP = 16
"""Channels that share a norm."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """Four stages of two blocks, from random weights."""

    image_size: int = 64
    """Side of the image [pixels], 32 for each token."""
    width: int = 32
    """Channels of the first stage, which double with every further one; 64 in ResNet-18."""

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "ResNet":
        """The encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the image is not a whole number of tokens wide, or the width no multiple of 16.
        """
        if self.width < GROUP or self.width % GROUP:
            raise ValueError(f"encoder: width must be a positive multiple of {GROUP}, got {self.width}")
        return ResNet(self, condition_dim)


class ResNet(VisionEncoder):
    """A 7 x 7 convolution, a maximum over 3 x 3, and blocks of two 3 x 3 convolutions."""

    def __init__(self, config: Config, condition_dim: int | None) -> None:
        super().__init__()
        self.image_size, self.dim = config.image_size, 8 * config.width
        self.tokens_per_image = grid_side(config.image_size, STRIDE) ** 2
        self.conv = nn.Conv2d(3, config.width, 7, stride=2, padding=3, bias=False)
        self.norm = nn.GroupNorm(config.width // GROUP, config.width)
        widths = [config.width * factor for factor in (1, 1, 2, 4, 8)]
        self.blocks = nn.ModuleList()
        for before, after in pairwise(widths):
            self.blocks.append(Block(before, after, condition_dim))
            self.blocks.append(Block(after, after, condition_dim))

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """The last feature map, row by row."""
        x = F.max_pool2d(F.relu(self.norm(self.conv(images))), 3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x, condition)
        return rearrange(x, "b d y x -> b (y x) d")


class Block(nn.Module):
    """Two convolutions beside a shortcut, then FiLM (if conditioned). More channels come with stride 2."""

    def __init__(self, inputs: int, outputs: int, condition_dim: int | None) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(outputs // GROUP, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(outputs // GROUP, outputs)
        self.shortcut = nn.Identity()
        if inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.GroupNorm(outputs // GROUP, outputs))
        self.film = FiLM(condition_dim, outputs) if condition_dim else None

    def forward(
        self, x: Float[Tensor, "b i h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b o y x"]:
        """Features of the same size, or of half of it."""
        inner = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.shortcut(x) + self.norm2(self.conv2(inner)))
        return modulate(self.film, x, condition)
