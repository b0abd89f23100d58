"""A square of patches concatenated into one token: Idefics3, SmolVLM (arXiv 2504.05299)."""

from dataclasses import dataclass

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from ..connector import Connector, ConnectorConfig, check_counts


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """Pixel shuffle, which merges squares of patches into tokens."""

    factor: int = 2
    """Side length of a square [patches]; 4 in SmolVLM2 500M."""

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "PixelShuffle":
        """Builds the connector; see `ConnectorConfig.build`.

        Raises:
            ValueError: the factor is below 1 or does not divide the side of the encoder's grid.
        """
        check_counts(self, "factor")
        side = round(tokens**0.5)
        if side % self.factor:
            raise InputError(f"connector: factor {self.factor} does not divide the {side} patches of a side")
        return PixelShuffle(self, width, tokens, dim, scale)


class PixelShuffle(Connector):
    """One token per square of patches, without averaging."""

    def __init__(self, config: Config, width: int, tokens: int, dim: int, scale: float) -> None:
        super().__init__()
        self.factor = config.factor
        self.side = round(tokens**0.5) // config.factor
        self.tokens_per_image = self.side**2
        inputs = width * config.factor**2
        self.projection = nn.Linear(inputs, dim, bias=False)
        nn.init.normal_(self.projection.weight, std=scale / inputs**0.5)

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """Squares in row order, each with its patches in row order."""
        squares = "b v (y p x q) e -> b v (y x) (p q e)"
        return self.projection(rearrange(tokens, squares, y=self.side, x=self.side, p=self.factor))
