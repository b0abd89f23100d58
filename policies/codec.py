"""ActionCodec: action chunk <-> token ids. Implementations live in codecs/."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class CodecConfig(ABC):
    """Base of every codec's configuration."""

    @abstractmethod
    def build(self) -> "ActionCodec":
        """The codec."""


class ActionCodec(ABC):
    """Encodes normalised actions, about [-1, 1], as ids in 0 .. vocab_size - 1."""

    vocab_size: int
    """Number of distinct ids."""

    @abstractmethod
    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b k a"]:
        """Token ids."""

    @abstractmethod
    def decode(self, tokens: Int[Tensor, "b k a"]) -> Float[Tensor, "b k a"]:
        """Normalised actions."""
