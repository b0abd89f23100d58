"""Actions as text: each value is a whole number in decimal digits, separated by spaces.

VLA-0 writes a chunk as integers 0..1000, `round((a - min) / (max - min) * 1000)`: `levels=1001`, an error of
at most 0.001 on [-1, 1]. RT-2 writes actions as integers 0..255: `levels=256` (how it rounds is unconfirmed).
There the tokens are the language model's own digits; here they are twelve ids with embeddings of their own,
since a trunk from scratch knows no digits.

The grammar allows exactly the numbers 0 .. levels - 1 without leading zeros, k * a of them, and then the end.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...common.errors import InputError
from ..codec import ActionCodec, CodecConfig
from ..reach import Reach

SPACE, END = 10, 11
"""Ids after those of the ten digits."""


@dataclass(frozen=True)
class Config(CodecConfig):
    """Text codec with `levels` values from low to high, both included."""

    levels: int = 1001
    low: float = -1.0
    """Normalized action that is written as 0, as is anything below it."""
    high: float = 1.0
    """Normalized action that is written as levels - 1, as is anything above it."""

    @property
    def reach(self) -> Reach:
        """Range from low to high."""
        return self.low, self.high

    def build(self, chunk: int, action_dim: int) -> "Text":
        """Builds the codec.

        Raises:
            ValueError: fewer than two levels, or an empty range.
        """
        if self.levels < 2:
            raise InputError(f"levels must be at least 2, got {self.levels}")
        if not -math.inf < self.low < self.high < math.inf:
            raise InputError(f"low must be below high, both finite, got [{self.low}, {self.high}]")
        return Text(self, chunk, action_dim)


class Text(ActionCodec):
    """Chunk <-> digits and spaces."""

    def __init__(self, config: Config, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.chunk, self.action_dim = chunk, action_dim
        self.top = config.levels - 1
        self.digits = len(str(self.top))
        self.low, self.step = config.low, (config.high - config.low) / self.top
        self.vocab_size, self.end = END + 1, END
        self.length = chunk * action_dim * (self.digits + 1)

    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b m"]:
        """Nearest levels, written out."""
        levels = ((actions.float() - self.low) / self.step).round().clamp(0, self.top).long()
        rows = []
        for numbers in rearrange(levels, "b k a -> b (k a)").tolist():
            text = " ".join(map(str, numbers))
            ids = [SPACE if c == " " else int(c) for c in text]
            rows.append(ids + [END] * (self.length - len(ids)))
        return torch.tensor(rows, device=actions.device)

    def decode(self, ids: Int[Tensor, "b m"]) -> tuple[Float[Tensor, "b k a"], Bool[Tensor, " b"]]:
        """Values of the numbers. In an invalid row, missing numbers repeat the previous step (the middle of
        the range in the first step), surplus ones are dropped, and too large ones are clipped."""
        total = self.chunk * self.action_dim
        rows, failed = [], []
        for row, real in zip(ids.tolist(), self.real(ids).sum(dim=1).tolist(), strict=True):
            words = "".join(" " if i == SPACE else str(i) for i in row[:real] if i != END).split(" ")
            numbers = [int(word) for word in words if word]
            valid = [str(number) for number in numbers] == words and max(numbers, default=0) <= self.top
            failed.append(not valid or len(numbers) != total)
            numbers = [min(number, self.top) for number in numbers[:total]]
            while len(numbers) < total:
                before = len(numbers) - self.action_dim
                numbers.append(numbers[before] if before >= 0 else self.top // 2)
            rows.append(numbers)
        levels = rearrange(torch.tensor(rows, device=ids.device), "b (k a) -> b k a", a=self.action_dim)
        return levels.float() * self.step + self.low, torch.tensor(failed, device=ids.device)

    def allowed(self, ids: Int[Tensor, "b m"]) -> Bool[Tensor, "b m v"]:
        """A digit that keeps the number within range; a space or the end after a number."""
        before = torch.cat([ids.new_full((len(ids), 1), SPACE), ids[:, :-1]], dim=1)  # [b, m]
        m = ids.shape[1]
        place = torch.arange(m, device=ids.device).expand_as(ids)
        start = torch.where(before == SPACE, place, 0).cummax(dim=1).values
        written = place - start  # digits of the present number
        value = torch.zeros_like(ids)
        for back in range(min(self.digits, m)):
            digit = torch.cat([ids.new_zeros(len(ids), back), before[:, : m - back]], dim=1)
            value += torch.where(back < written, digit * 10**back, 0)
        complete = (before == SPACE).cumsum(dim=1)
        last = complete == self.chunk * self.action_dim
        ended = (before == END).cumsum(dim=1) > 0

        longer = value.unsqueeze(2) * 10 + torch.arange(10, device=ids.device) <= self.top
        digits = longer & ((written == 0) | (value > 0)).unsqueeze(2) & ~ended.unsqueeze(2)
        space = (written > 0) & ~last & ~ended
        end = ((written > 0) & last) | ended
        return torch.cat([digits, space.unsqueeze(2), end.unsqueeze(2)], dim=2)

    def known(self, ids: Int[Tensor, "b m"], mask: Bool[Tensor, "b k"]) -> Bool[Tensor, "b m"]:
        """Ids of the numbers of the steps in `mask`, each with the space or the end that follows."""
        spaces = (ids == SPACE).long()
        number = spaces.cumsum(dim=1) - spaces
        return self.real(ids) & mask.gather(1, number // self.action_dim)
