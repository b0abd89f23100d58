"""VisionEncoder: images -> tokens. Implementations live in encoders/.

Adding one is adding a file to encoders/ that defines `Config`, a frozen dataclass deriving from
`EncoderConfig`, whose `build` returns a `VisionEncoder`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

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
    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """JSON-able description from which `build` makes an encoder of this shape without its checkpoint."""

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "b v c h w"], condition: Float[Tensor, "b e"] | None = None
    ) -> Float[Tensor, "b v n d"]:
        """Tokens of upright RGB images in [-1, 1]; `condition` is given exactly if it was built for one."""
