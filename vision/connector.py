"""Connector: an encoder's tokens -> tokens of the backbone. Implementations live in connectors/.

Adding one is adding a file to connectors/ that defines `Config`, a frozen dataclass deriving from
`ConnectorConfig`, whose `build` returns a `Connector`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class ConnectorConfig(ABC):
    """Base of every connector's configuration."""

    @abstractmethod
    def build(self, width: int, tokens: int, dim: int, scale: float) -> "Connector":
        """The connector.

        Args:
            width: of the encoder's tokens (e).
            tokens: of the encoder per view, a square grid in row order (n).
            dim: width of the backbone (d).
            scale: about the root mean square of the result at first, for tokens of unit scale.
        """


class Connector(nn.Module, ABC):
    """Treats every view alike and on its own."""

    tokens_per_image: int
    """Tokens of one view in the backbone (m)."""
    keeps_grid: bool = False
    """Whether token i still stands for patch i of the image."""

    @abstractmethod
    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """Tokens for the backbone."""


def check_counts(config: ConnectorConfig, *names: str) -> None:
    """Refuses a count below 1.

    Raises:
        ValueError: names the field of `config` and its value.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"connector: {name} must be at least 1, got {getattr(config, name)}")
