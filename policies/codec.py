"""ActionCodec: action chunk <-> token ids. Implementations live in codecs/.

A chunk becomes a sequence of `length` ids. In codecs of variable length (`end` is not None) the id `end`
closes it and fills up the rest; `real` tells the two apart. `allowed` is the codec's grammar: whoever picks
only allowed ids, one after the other, ends with a sequence that can be decoded.

    codec                         chunk (k = 1, a = 2)   ids
    bins, 256 of them             0.5, -1.0              191 0
    text, levels 0..1000          0.5, -1.0              7 5 0 _ 0 end end end end end     (750 and 0)
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .reach import Reach


@dataclass(frozen=True)
class CodecConfig(ABC):
    """Base class of every codec's configuration."""

    @property
    def reach(self) -> Reach | None:
        """Smallest and largest normalized action that ids can represent; None if the data determines it."""
        return None

    @abstractmethod
    def build(self, chunk: int, action_dim: int) -> "ActionCodec":
        """Builds the codec for chunks [chunk, action_dim].

        Raises:
            ValueError: an option is impossible.
        """


class ActionCodec(nn.Module, ABC):
    """Encodes chunks of normalized actions, about [-1, 1], as ids in 0 .. vocab_size - 1.

    It is a module without parameters: what `fit` learns lies in buffers, is saved with the policy, and is not
    touched by the optimizer. It also works without `fit`, only less well.
    """

    vocab_size: int
    """Number of distinct ids (v), including `end`."""
    length: int
    """Length of the longest sequence (m), including `end`."""
    end: int | None = None
    """Id that ends a sequence; None if all sequences have `length` ids."""
    centres: Tensor | None
    """Value of each id where ids are action values in ascending order, m = k * a of them, [v, a]; otherwise
    None."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centres", None)

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Adapts to normalized chunks, in place; all randomness comes from `generator`."""

    @abstractmethod
    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b m"]:
        """Token ids of the chunks."""

    @abstractmethod
    def decode(self, ids: Int[Tensor, "b m"]) -> tuple[Float[Tensor, "b k a"], Bool[Tensor, " b"]]:
        """Normalized actions, and which rows were not valid sequences: those are truncated or completed."""

    def allowed(self, ids: Int[Tensor, "b m"]) -> Bool[Tensor, "b m v"]:
        """Ids allowed at each place of a sequence, given those before it; by default any.

        Also accepts beginnings of sequences (fewer than `length` ids).
        """
        return torch.ones(1, 1, 1, dtype=torch.bool, device=ids.device).expand(*ids.shape, self.vocab_size)

    def real(self, ids: Int[Tensor, "b m"]) -> Bool[Tensor, "b m"]:
        """True up to and including the first `end`."""
        if self.end is None:
            return torch.ones_like(ids, dtype=torch.bool)
        ends = (ids == self.end).long()
        return ends.cumsum(dim=1) - ends == 0

    def known(self, ids: Int[Tensor, "b m"], mask: Bool[Tensor, "b k"]) -> Bool[Tensor, "b m"]:
        """Real ids that are known if only the actions in `mask` are; by default all if there is any, else
        none."""
        return self.real(ids) & mask.any(dim=1, keepdim=True)


def hold(actions: Float[Tensor, "b k a"], mask: Bool[Tensor, "b k"]) -> Float[Tensor, "b k a"]:
    """Replaces actions outside `mask` by the last one inside before them, or by zero if there is none.

    A codec that encodes a chunk as a whole needs a complete one.
    """
    steps = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    last = torch.where(mask, steps, -1).cummax(dim=1).values
    index = rearrange(last.clamp(min=0), "b k -> b k 1").expand_as(actions)
    return actions.gather(1, index).masked_fill(rearrange(last < 0, "b k -> b k 1"), 0)
