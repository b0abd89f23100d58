"""A few weighted means of an image's tokens: TokenLearner (arXiv 2106.11297), as in RT-1."""

from dataclasses import dataclass

from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from ..connector import Connector, ConnectorConfig, check_counts
from ..linear import scaled_linear


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """TokenLearner with RT-1's sizes."""

    tokens: int = 8
    """Number of means, i.e. tokens per view."""
    bottleneck: int = 64
    """Width of the hidden layer that computes the weights."""

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "TokenLearner":
        """Builds the connector; see `ConnectorConfig.build`.

        Raises:
            ValueError: a size is below 1.
        """
        check_counts(self, "tokens", "bottleneck")
        return TokenLearner(self, width, dim, scale)


class TokenLearner(Connector):
    """Means of the patches, each with its own weights that sum to 1."""

    def __init__(self, config: Config, width: int, dim: int, scale: float) -> None:
        super().__init__()
        self.tokens_per_image = config.tokens
        self.scores = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, config.bottleneck),
            nn.GELU(),
            nn.Linear(config.bottleneck, config.tokens, bias=False),  # a softmax cancels a bias
        )
        self.projection = scaled_linear(width, dim, scale)

    def weights(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v n m"]:
        """Weight of each patch in each mean."""
        return self.scores(tokens).softmax(dim=2)

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """Means of each view."""
        means = einsum(tokens, self.weights(tokens), "b v n e, b v n m -> b v m e")
        return self.projection(means)
