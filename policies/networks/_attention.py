"""Attention to a prefix's hidden states, with keys and values computed once for all denoising steps."""

from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...common.errors import InputError
from ..types import Prefix


class Memory(NamedTuple):
    """Keys and values of m tokens, for h heads of e dimensions."""

    keys: Float[Tensor, "b h m e"]
    values: Float[Tensor, "b h m e"]


@dataclass(kw_only=True)
class AttendedPrefix(Prefix):
    """A prefix with what the layers of one network attend to in it."""

    memories: list[Memory]
    """Keys and values per layer."""
    seen: Bool[Tensor, "b 1 1 m"]
    """True where a token of the memories is real."""


class KeysValues(nn.Module):
    """Computes the keys and values that an `Attention` may look at."""

    def __init__(self, source: int, width: int, heads: int) -> None:
        """Builds the projections; `source` is the width of the tokens, `width` that of all heads together.

        Raises:
            ValueError: `width` is not a multiple of `heads`.
        """
        super().__init__()
        if width % heads:
            raise InputError(f"width {width} must be a multiple of heads {heads}")
        self.heads = heads
        self.key, self.value = nn.Linear(source, width), nn.Linear(source, width)

    def forward(self, tokens: Float[Tensor, "b m c"], placed: Float[Tensor, "b m c"] | None = None) -> Memory:
        """Keys and values of the tokens; `placed` replaces them for the keys, e.g. with positions added."""
        keys = self.key(tokens if placed is None else placed)
        return Memory(split(keys, self.heads), split(self.value(tokens), self.heads))


class Attention(nn.Module):
    """Queries and output of multi-head attention (arXiv 1706.03762); `KeysValues` is the other half."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(
        self,
        tokens: Float[Tensor, "b k w"],
        memory: Memory,
        seen: Bool[Tensor, "#b 1 #k m"] | None = None,
    ) -> Float[Tensor, "b k w"]:
        """Attends from each token to `memory`, where `seen` allows."""
        queries = split(self.query(tokens), self.heads)
        mixed = F.scaled_dot_product_attention(queries, memory.keys, memory.values, attn_mask=seen)
        return self.out(rearrange(mixed, "b h k e -> b k (h e)"))


def split(x: Float[Tensor, "b m w"], heads: int) -> Float[Tensor, "b h m e"]:
    """Splits off an axis for the heads."""
    return rearrange(x, "b m (h e) -> b h m e", h=heads)
