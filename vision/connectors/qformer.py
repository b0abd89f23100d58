"""Queries that attend to the image and to each other: BLIP-2's Q-Former (arXiv 2301.12597), without text."""

from dataclasses import dataclass

from torch import nn

from ..connector import ConnectorConfig
from ..resampler import Resampler, check_heads


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """Q-Former with the width of the encoder."""

    queries: int = 16
    """Tokens per view; 32 in BLIP-2."""
    layers: int = 2
    heads: int = 4

    def build(self, width: int, tokens: int, dim: int, scale: float) -> Resampler:
        """Builds the connector; see `ConnectorConfig.build`.

        Raises:
            ValueError: a size is below 1, or the encoder's width is not a multiple of the heads.
        """
        check_heads(self, width, self.heads, "queries")
        # Each layer: self-attention among the queries, cross-attention to the image, an MLP, with a norm
        # before each.
        layers = [
            nn.TransformerDecoderLayer(
                width, self.heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(self.layers)
        ]
        return Resampler(self.queries, layers, width, dim, scale)
