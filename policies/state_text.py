"""Proprioception as words: each number of the normalized state becomes one of 256 integers, spelled out.

As in pi0-FAST and pi0.5 (openpi's tokenizer: "..., State: 3 127 255"), but that a value below -1 is bin 0,
where openpi writes "-1". Every integer is tokenized by itself, so a table of all of them is made once: a
state never becomes a string.

    "7" is one token and "25" two, two numbers:      , state:  7 _ 2 5
    mask                                             1 1    1  1 0 1 1
"""

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..common.errors import InputError

BINS = 256
WRITTEN = (-1.0, 1.0)
"""Smallest and largest normalized number with a bin of its own."""
PREFIX = ", state:"
VOCABULARY = " ".join([PREFIX, *map(str, range(BINS))])
"""Complete text that states can be spelled with, which a tokenizer must have seen."""


def integers(state: Float[Tensor, "b s"]) -> Int[Tensor, "b s"]:
    """Bin of each value, 0..255 for [-1, 1] in equal steps; values outside are in the outer bins."""
    inner_edges = torch.linspace(*WRITTEN, BINS + 1, device=state.device)[1:-1]
    return torch.bucketize(state, inner_edges, right=True)


class StateText(nn.Module):
    """Token ids of a state, always the same number; short integers are padded in place."""

    opening: Tensor
    numbers: Tensor
    """Ids of each integer, padded on the right, [256, p]."""
    real: Tensor
    """True where an id is not padding, [256, p]."""

    def __init__(self, tokenizer: Any) -> None:
        """Spells every integer.

        Raises:
            ValueError: the tokenizer does not know one of them.
        """
        super().__init__()
        spelled = {text: _ids(tokenizer, text) for text in (PREFIX, *(f" {i}" for i in range(BINS)))}
        unknown = [text for text, ids in spelled.items() if not ids or tokenizer.unk_token_id in ids]
        if unknown:
            raise InputError(f"the tokenizer cannot write a state as text: it does not know {unknown[0]!r}")
        opening, *rows = spelled.values()
        longest = max(map(len, rows))
        numbers = [row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows]
        length = torch.tensor([len(row) for row in rows])
        self.register_buffer("opening", torch.tensor(opening), persistent=False)
        self.register_buffer("numbers", torch.tensor(numbers), persistent=False)
        self.register_buffer("real", torch.arange(longest) < length[:, None], persistent=False)

    def forward(self, state: Float[Tensor, "b s"]) -> tuple[Int[Tensor, "b l"], Bool[Tensor, "b l"]]:
        """Token ids, and which of them are real."""
        bins = integers(state)
        ids = rearrange(self.numbers[bins], "b s p -> b (s p)")
        real = rearrange(self.real[bins], "b s p -> b (s p)")
        opening = self.opening.expand(len(state), -1)
        return (
            torch.cat([opening, ids], dim=1),
            torch.cat([torch.ones_like(opening, dtype=torch.bool), real], dim=1),
        )


def _ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]
