"""Queries that look at the image and at each other: BLIP-2's Q-Former (arXiv 2301.12597), without text."""

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

    queries: int = 16
    """Tokens of each view; 32 in BLIP-2."""
    layers: int = 2
    heads: int = 4

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "QFormer":
        """The connector; see `ConnectorConfig.build`.

        Raises:
            ValueError: a size is below 1, or the encoder's width no multiple of the heads.
        """
        check_counts(self, "queries", "layers", "heads")
        if width % self.heads:
            raise ValueError(f"connector: encoder width {width} must be a multiple of heads {self.heads}")
        return QFormer(self, width, dim, scale)


class QFormer(Connector):
    """Each layer: attention among the queries, attention to the image, an MLP; a norm before each."""

    def __init__(self, config: Config, width: int, dim: int, scale: float) -> None:
        super().__init__()
        self.tokens_per_image = config.queries
        self.queries = nn.Parameter(torch.randn(config.queries, width))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                width, config.heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.projection = scaled_linear(width, dim, scale)

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """What the queries found in each view."""
        b, v = tokens.shape[:2]
        seen = rearrange(tokens, "b v n e -> (b v) n e")
        found = repeat(self.queries, "m e -> bv m e", bv=b * v)
        for layer in self.layers:
            found = layer(found, seen)
        return rearrange(self.projection(self.norm(found)), "(b v) m d -> b v m d", b=b)
