"""Two encoders whose tokens are concatenated channel by channel: SigLIP and DINOv2 in OpenVLA (arXiv
2406.09246)."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...common.errors import InputError
from ..encoder import EncoderConfig, VisionEncoder
from . import dinov2, siglip


@dataclass(frozen=True)
class Config(EncoderConfig):
    """Two encoders, of any kinds with the same image size and the same token grid."""

    first: EncoderConfig = field(default_factory=dinov2.Config)
    second: EncoderConfig = field(default_factory=siglip.Config)

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "Dual":
        """Builds the encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the two differ in their image size or in their number of tokens.
        """
        shapes = architecture or {}
        first = self.first.build(condition_dim, shapes.get("first"))
        return Dual(first, self.second.build(condition_dim, shapes.get("second")))


class Dual(VisionEncoder):
    """Encoder whose token i is token i of the first encoder followed by that of the second."""

    def __init__(self, first: VisionEncoder, second: VisionEncoder) -> None:
        super().__init__()
        for name in ("image_size", "tokens_per_image"):
            one, other = getattr(first, name), getattr(second, name)
            if one != other:
                raise InputError(f"encoder: {name} must be the same in both encoders, got {one} and {other}")
        self.first, self.second = first, second
        self.image_size, self.tokens_per_image = first.image_size, first.tokens_per_image
        self.dim = first.dim + second.dim

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-serializable shape of both encoders."""
        return {"first": self.first.architecture, "second": self.second.architecture}

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Concatenated tokens of both encoders."""
        return torch.cat([x.encode(images, condition) for x in (self.first, self.second)], dim=-1)
