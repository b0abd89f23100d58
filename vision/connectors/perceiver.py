"""Learned latents that attend to the image and to themselves: Flamingo's resampler (arXiv 2204.14198)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..connector import ConnectorConfig
from ..resampler import Resampler, check_heads


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """Perceiver resampler with the width of the encoder."""

    latents: int = 16
    """Tokens per view; 64 in Flamingo."""
    layers: int = 2
    heads: int = 4

    def build(self, width: int, tokens: int, dim: int, scale: float) -> Resampler:
        """Builds the connector; see `ConnectorConfig.build`.

        Raises:
            ValueError: a size is below 1, or the encoder's width is not a multiple of the heads.
        """
        check_heads(self, width, self.heads, "latents")
        layers = [Layer(width, self.heads) for _ in range(self.layers)]
        return Resampler(self.latents, layers, width, dim, scale)


class Layer(nn.Module):
    """Attention layer whose keys and values are the image tokens and the latents, each with its own norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_image, self.norm_latents = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(
        self, latents: Float[Tensor, "b m e"], seen: Float[Tensor, "b n e"]
    ) -> Float[Tensor, "b m e"]:
        """The latents after this layer."""
        queries = self.norm_latents(latents)
        keys = torch.cat([self.norm_image(seen), queries], dim=1)
        latents = latents + self.attention(queries, keys, keys, need_weights=False)[0]
        return latents + self.mlp(latents)
