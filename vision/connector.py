"""Connector: maps an encoder's tokens to tokens of the backbone. Implementations live in connectors/.

To add one, add a file to connectors/ that defines `Config`, a frozen dataclass deriving from
`ConnectorConfig`, whose `build` returns a `Connector`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ..common.errors import InputError


@dataclass(frozen=True)
class ConnectorConfig(ABC):
    """Base class of every connector's configuration."""

    @abstractmethod
    def build(self, width: int, tokens: int, dim: int, scale: float) -> "Connector":
        """Builds the connector.

        Args:
            width: width of the encoder's tokens (e).
            tokens: number of the encoder's tokens per view, a square grid in row order (n).
            dim: width of the backbone (d).
            scale: approximate root mean square of the initial output for tokens of unit scale.
        """


class Connector(nn.Module, ABC):
    """Module that treats every view the same way and independently of the others."""

    tokens_per_image: int
    """Number of tokens per view in the backbone (m)."""
    keeps_grid: bool = False
    """True if token i still represents patch i of the image."""

    @abstractmethod
    def forward(self, tokens: Float[Tensor, "b v n e"]) -> Float[Tensor, "b v m d"]:
        """Tokens for the backbone."""


def check_counts(config: ConnectorConfig, *names: str) -> None:
    """Rejects a count below 1.

    Raises:
        ValueError: names the field of `config` and its value.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise InputError(f"connector: {name} must be at least 1, got {getattr(config, name)}")
