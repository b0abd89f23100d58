"""VisionEncoder: maps images to tokens. Implementations live in encoders/.

To add one, add a file to encoders/ that defines `Config`, a frozen dataclass deriving from `EncoderConfig`,
whose `build` returns a `VisionEncoder`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ..common.errors import InputError


@dataclass(frozen=True)
class EncoderConfig(ABC):
    """Base class of every encoder's configuration."""

    @abstractmethod
    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "VisionEncoder":
        """Builds the encoder.

        Args:
            condition_dim: width of the vector that conditions the encoder; None for an unconditioned one.
            architecture: an earlier `VisionEncoder.architecture`. If given, the encoder gets that shape and
                random weights, and no pretrained checkpoint is loaded.
        """


class VisionEncoder(nn.Module, ABC):
    """Encodes every view independently, with shared weights."""

    dim: int
    """Width of a token."""
    tokens_per_image: int
    """Tokens per view (n), a square grid of patches in row order."""
    image_size: int
    """Side length of the square input images [pixels]."""

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-serializable description from which `build` makes an encoder of this shape without its
        checkpoint; empty where the configuration alone determines the shape."""
        return {}

    @abstractmethod
    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens of one view per row; see `forward`."""

    def forward(
        self, images: Float[Tensor, "b v c h w"], condition: Float[Tensor, "b e"] | None = None
    ) -> Float[Tensor, "b v n d"]:
        """Tokens of upright RGB images in [-1, 1]; `condition` is given exactly if the encoder was built for
        one."""
        b, v = images.shape[:2]
        if condition is not None:
            condition = repeat(condition, "b e -> (b v) e", v=v)
        tokens = self.encode(rearrange(images, "b v c h w -> (b v) c h w"), condition)
        return rearrange(tokens, "(b v) n d -> b v n d", b=b)


def check_sizes(config: EncoderConfig, *names: str) -> None:
    """Rejects a size below 1.

    Raises:
        ValueError: names the field of `config` and its value.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise InputError(f"encoder: {name} must be at least 1, got {getattr(config, name)}")


def grid_side(image_size: int, stride: int, called: str = "stride", whole: bool = True) -> int:
    """Number of tokens along one side of an image.

    Raises:
        ValueError: the image is smaller than a token or, if `whole`, not a whole number of tokens wide.
    """
    if image_size < 1 or (whole and image_size % stride):
        raise InputError(f"encoder: image size {image_size} must be a multiple of {called} {stride}")
    if image_size < stride:
        raise InputError(f"encoder: image size {image_size} must be at least {called} {stride}")
    return image_size // stride
