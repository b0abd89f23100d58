"""Learned latents that look at the image and themselves: Flamingo's resampler (arXiv 2204.14198)."""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ..connector import Connector, ConnectorConfig, check_counts
from ..linear import scaled_linear


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """As wide as the encoder."""

    latents: int = 16
    """Tokens of each view; 64 in Flamingo."""
    layers: int = 2
    heads: int = 4

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "Perceiver":
        """The connector; see `ConnectorConfig.build`.

        Raises:
            ValueError: a size is below 1, or the encoder's width no multiple of the heads.
        """
        check_counts(self, "latents", "layers", "heads")
        if width % self.heads:
            raise ValueError(f"connector: encoder width {width} must be a multiple of heads {self.heads}")
        return Perceiver(self, width, dim, scale)


class Perceiver(Connector):
    """Layers of attention and an MLP."""

    def __init__(self, config: Config, width: int, dim: int, scale: float) -> None:
        super().__init__()
        self.tokens_per_image = config.latents
        self.latents = nn.Parameter(torch.randn(config.latents, width))
        self.layers = nn.ModuleList(Layer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.projection = scaled_linear(width, dim, scale)

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """What the latents found in each view."""
        b, v = tokens.shape[:2]
        seen = rearrange(tokens, "b v n e -> (b v) n e")
        latents = repeat(self.latents, "m e -> bv m e", bv=b * v)
        for layer in self.layers:
            latents = layer(latents, seen)
        return rearrange(self.projection(self.norm(latents)), "(b v) m d -> b v m d", b=b)


class Layer(nn.Module):
    """Keys and values are the image's tokens and the latents, each with a norm of their own."""

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
