"""VisionEncoder: images -> tokens. Implementations live in encoders/.

Adding one is adding a file to encoders/ that defines `Config`, a frozen dataclass deriving from
`EncoderConfig`, whose `build` returns a `VisionEncoder`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class EncoderConfig(ABC):
    """Base of every encoder's configuration."""

    @abstractmethod
    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "VisionEncoder":
        """The encoder.

        Args:
            condition_dim: width of the vector that conditions the encoder; None for an unconditioned one.
            architecture: what `VisionEncoder.architecture` returned earlier. If given, the encoder gets that
                shape and random weights, and no pretrained checkpoint is looked for.
        """


class VisionEncoder(nn.Module, ABC):
    """Encodes every view on its own, with shared weights."""

    dim: int
    """Width of a token."""
    tokens_per_image: int
    """n: tokens of one view, a square grid of patches in row order."""
    image_size: int
    """Side of the square images expected [pixels]."""

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-able description from which `build` makes an encoder of this shape without its checkpoint;
        empty where the configuration alone decides the shape."""
        return {}

    @abstractmethod
    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens of one view of each row; see `forward`."""

    def forward(
        self, images: Float[Tensor, "b v c h w"], condition: Float[Tensor, "b e"] | None = None
    ) -> Float[Tensor, "b v n d"]:
        """Tokens of upright RGB images in [-1, 1]; `condition` is given exactly if it was built for one."""
        b, v = images.shape[:2]
        if condition is not None:
            condition = repeat(condition, "b e -> (b v) e", v=v)
        tokens = self.encode(rearrange(images, "b v c h w -> (b v) c h w"), condition)
        return rearrange(tokens, "(b v) n d -> b v n d", b=b)


def check_sizes(config: EncoderConfig, *names: str) -> None:
    """Refuses a size below 1.

    Raises:
        ValueError: names the field of `config` and its value.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"encoder: {name} must be at least 1, got {getattr(config, name)}")


def grid_side(image_size: int, stride: int, called: str = "stride", whole: bool = True) -> int:
    """Tokens along a side of an image.

    Raises:
        ValueError: the image is smaller than a token, or, if `whole`, not a whole number of tokens wide.
    """
    if image_size < 1 or (whole and image_size % stride):
        raise ValueError(f"encoder: image size {image_size} must be a multiple of {called} {stride}")
    if image_size < stride:
        raise ValueError(f"encoder: image size {image_size} must be at least {called} {stride}")
    return image_size // stride
