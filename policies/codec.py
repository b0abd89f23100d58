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
    """Base of every codec's configuration."""

    @property
    def reach(self) -> Reach | None:
        """Smallest and largest normalized action that ids stand for; None if the data decides it."""
        return None

    @abstractmethod
    def build(self, chunk: int, action_dim: int) -> "ActionCodec":
        """The codec for chunks [chunk, action_dim].

        Raises:
            ValueError: an option is impossible.
        """


class ActionCodec(nn.Module, ABC):
    """Encodes chunks of normalised actions, about [-1, 1], as ids in 0 .. vocab_size - 1.

    It is a module without parameters: what `fit` finds lies in buffers, is saved with the policy that it is
    part of, and is left alone by the optimiser. Without `fit` it works too, only less well.
    """

    vocab_size: int
    """Number of distinct ids (v), `end` included."""
    length: int
    """Ids of the longest sequence (m), `end` included."""
    end: int | None = None
    """The id that closes a sequence; None: all have `length` ids."""
    centres: Tensor | None
    """Where ids are action values in ascending order, m = k * a of them: the value of each id, [v, a]."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centres", None)

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Adapts to normalised chunks, in place; all randomness comes from `generator`."""

    @abstractmethod
    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b m"]:
        """Token ids."""

    @abstractmethod
    def decode(self, ids: Int[Tensor, "b m"]) -> tuple[Float[Tensor, "b k a"], Bool[Tensor, " b"]]:
        """Normalised actions, and which rows were no valid sequence: those are cut or filled up."""

    def allowed(self, ids: Int[Tensor, "b m"]) -> Bool[Tensor, "b m v"]:
        """Which ids may stand at each place of a sequence, given those before it; by default any.

        Takes beginnings of sequences (fewer than `length` ids) too.
        """
        return torch.ones(1, 1, 1, dtype=torch.bool, device=ids.device).expand(*ids.shape, self.vocab_size)

    def real(self, ids: Int[Tensor, "b m"]) -> Bool[Tensor, "b m"]:
        """True up to the first `end`, itself included."""
        if self.end is None:
            return torch.ones_like(ids, dtype=torch.bool)
        ends = (ids == self.end).long()
        return ends.cumsum(dim=1) - ends == 0

    def known(self, ids: Int[Tensor, "b m"], mask: Bool[Tensor, "b k"]) -> Bool[Tensor, "b m"]:
        """Which real ids are known if only the actions of `mask` are: by default all, if there is any."""
        return self.real(ids) & mask.any(dim=1, keepdim=True)


def hold(actions: Float[Tensor, "b k a"], mask: Bool[Tensor, "b k"]) -> Float[Tensor, "b k a"]:
    """Steps outside `mask` take the action of the last one inside before them, or zero if there is none.

    A codec that encodes a chunk as a whole needs a whole one.
    """
    steps = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    last = torch.where(mask, steps, -1).cummax(dim=1).values
    index = rearrange(last.clamp(min=0), "b k -> b k 1").expand_as(actions)
    return actions.gather(1, index).masked_fill(rearrange(last < 0, "b k -> b k 1"), 0)
