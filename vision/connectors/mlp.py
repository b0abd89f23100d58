"""An MLP applied to every token: two layers in LLaVA-1.5 (arXiv 2310.03744), three in OpenVLA."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from ..connector import Connector, ConnectorConfig
from ..linear import scaled_linear

EXPANSION = 4
"""Width of the first of three layers, in multiples of the encoder's: prismatic's projector for fused
encoders."""


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """MLP projection of each token, with the widths of the encoder and of the backbone."""

    layers: Literal[2, 3] = 2
    """Number of layers. 2: encoder -> backbone -> backbone. 3: encoder -> 4 x encoder -> backbone ->
    backbone."""

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "MLP":
        """Builds the connector; see `ConnectorConfig.build`."""
        return MLP(self, width, tokens, dim, scale)


class MLP(Connector):
    """MLP with as many output tokens as the encoder has."""

    keeps_grid = True

    def __init__(self, config: Config, width: int, tokens: int, dim: int, scale: float) -> None:
        super().__init__()
        self.tokens_per_image = tokens
        wide = EXPANSION * width
        first = [scaled_linear(width, wide), nn.GELU()] if config.layers == 3 else []
        inputs = wide if first else width
        self.layers = nn.Sequential(
            *first, scaled_linear(inputs, dim), nn.GELU(), scaled_linear(dim, dim, scale)
        )

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """Projects each token independently."""
        return self.layers(tokens)
