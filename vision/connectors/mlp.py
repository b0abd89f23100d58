"""An MLP for every token: of two layers in LLaVA-1.5 (arXiv 2310.03744), of three in OpenVLA."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from ..connector import Connector, ConnectorConfig
from ..linear import scaled_linear

EXPANSION = 4
"""Of the first of three layers, in the encoder's widths: prismatic's projector for joined encoders."""


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """How deep it is; its widths are the encoder's and the backbone's."""

    layers: Literal[2, 3] = 2
    """2: encoder -> backbone -> backbone. 3: encoder -> 4 encoders -> backbone -> backbone."""

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "MLP":
        """The connector; see `ConnectorConfig.build`."""
        return MLP(self, width, tokens, dim, scale)


class MLP(Connector):
    """As many tokens as the encoder has."""

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
        """Each token by itself."""
        return self.layers(tokens)
