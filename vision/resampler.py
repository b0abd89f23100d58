"""Learned latent tokens that attend to the image through several layers, as in `perceiver` and `qformer`."""

from collections.abc import Iterable

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ..common.errors import InputError
from .connector import Connector, ConnectorConfig, check_counts
from .linear import scaled_linear


class Resampler(Connector):
    """`layer(latents [b m e], image tokens [b n e]) -> latents`, repeated, then one linear map."""

    def __init__(self, count: int, layers: Iterable[nn.Module], width: int, dim: int, scale: float) -> None:
        super().__init__()
        self.tokens_per_image = count
        self.latents = nn.Parameter(torch.randn(count, width))
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        self.projection = scaled_linear(width, dim, scale)

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """Latents of each view after all layers."""
        b, v = tokens.shape[:2]
        seen = rearrange(tokens, "b v n e -> (b v) n e")
        found = repeat(self.latents, "m e -> bv m e", bv=b * v)
        for layer in self.layers:
            found = layer(found, seen)
        return rearrange(self.projection(self.norm(found)), "(b v) m d -> b v m d", b=b)


def check_heads(config: ConnectorConfig, width: int, heads: int, count: str) -> None:
    """Rejects impossible sizes.

    Args:
        config: configuration of the connector.
        count: name of the field with the number of latents.
        width: width of the encoder.

    Raises:
        ValueError: a size is below 1, or the encoder's width is not a multiple of the heads.
    """
    check_counts(config, count, "layers", "heads")
    if width % heads:
        raise InputError(f"connector: encoder width {width} must be a multiple of heads {heads}")
