"""Image positions of a few features: spatial softmax (arXiv 1504.00702; Diffusion Policy)."""

from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from ..connector import Connector, ConnectorConfig, check_counts
from ..linear import scaled_linear


@dataclass(frozen=True)
class Config(ConnectorConfig):
    """Spatial softmax with a given number of features."""

    keypoints: int = 32
    """Tokens per view, one per feature."""

    def build(self, width: int, tokens: int, dim: int, scale: float) -> "SpatialSoftmax":
        """Builds the connector; see `ConnectorConfig.build`.

        Raises:
            ValueError: the number of keypoints is below 1.
        """
        check_counts(self, "keypoints")
        return SpatialSoftmax(self, width, tokens, dim, scale)


class SpatialSoftmax(Connector):
    """Keypoints: mean positions of features, from (-1, -1) at the first patch to (1, 1) at the last.

    The token of a keypoint is a linear map of its two coordinates plus an embedding of its index.
    """

    grid: Tensor
    """(x, y) of each patch, [n, 2]."""

    def __init__(self, config: Config, width: int, tokens: int, dim: int, scale: float) -> None:
        super().__init__()
        self.tokens_per_image = config.keypoints
        side = torch.linspace(-1, 1, round(tokens**0.5))
        y, x = torch.meshgrid(side, side, indexing="ij")
        self.register_buffer("grid", torch.stack([x, y], dim=-1).flatten(0, 1), persistent=False)
        self.features = nn.Linear(width, config.keypoints, bias=False)  # a softmax cancels a bias
        self.projection = scaled_linear(2, dim, scale)
        self.embedding = nn.Parameter(torch.randn(config.keypoints, dim) * scale)

    def keypoints(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m 2"]:
        """(x, y) of each keypoint, in [-1, 1]."""
        weights = self.features(tokens).softmax(dim=2)
        return einsum(weights, self.grid.to(weights.dtype), "b v n m, n two -> b v m two")

    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """One token per keypoint and view."""
        return self.projection(self.keypoints(tokens)) + self.embedding
