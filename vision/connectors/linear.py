"""One linear map applied to every token."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..connector import Connector, ConnectorConfig
from ..linear import scaled_linear


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """Linear projection of each token."""

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "Linear":
        """Builds the connector; see `ConnectorConfig.build`."""
        return Linear(width, tokens, dim, scale)


class Linear(Connector):
    """Linear map with as many output tokens as the encoder has."""

    keeps_grid = True

    def __init__(self, width: int, tokens: int, dim: int, scale: float) -> None:
        super().__init__()
        self.tokens_per_image = tokens
        layer = scaled_linear(width, dim, scale)
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """Projects each token independently."""
        return F.linear(tokens, self.weight, self.bias)
