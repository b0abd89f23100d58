"""ResNet-18 (arXiv 1512.03385) with group norms, as in Diffusion Policy (arXiv 2303.04137): its feature map.

Without batch statistics, an image's encoding does not depend on its batch, and averaged weights (EMA) compute
the function that was trained. The keypoints that Diffusion Policy reads out of it come from the connector
spatial_softmax.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from ..encoder import EncoderConfig, VisionEncoder, grid_side
from ..stem import FiLM, modulate

STRIDE = 32
GROUP = 16
"""Channels that share a norm."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """Four stages of two blocks with random weights."""

    image_size: int = 64
    """Side length of the image [pixels]; each token covers 32."""
    width: int = 32
    """Channels of the first stage, which double with every further stage; 64 in ResNet-18."""

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "ResNet":
        """Builds the encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the image is not a whole number of tokens wide, or the width is not a multiple of 16.
        """
        if self.width < GROUP or self.width % GROUP:
            raise InputError(f"encoder: width must be a positive multiple of {GROUP}, got {self.width}")
        return ResNet(self, condition_dim)


class ResNet(VisionEncoder):
    """A 7 x 7 convolution, a 3 x 3 max pooling, and blocks of two 3 x 3 convolutions."""

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
        """Last feature map, row by row."""
        x = F.max_pool2d(F.relu(self.norm(self.conv(images))), 3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x, condition)
        return rearrange(x, "b d y x -> b (y x) d")


class Block(nn.Module):
    """Two convolutions with a shortcut, then FiLM (if conditioned). A block with more channels has stride
    2."""

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
        """Features at the same resolution, or at half of it."""
        inner = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.shortcut(x) + self.norm2(self.conv2(inner)))
        return modulate(self.film, x, condition)
