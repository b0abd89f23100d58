"""FAST (arXiv 2501.09747): a chunk's cosine coefficients, rounded, as byte-pair tokens.

Along time, each dimension goes through the orthonormal DCT-II and is multiplied by `scale` and rounded. The
root mean square error at the published scale 10 is 0.1 / sqrt(12) = 0.029 for large coefficients and less for
those near zero (256 bins: 0.0023). Written out with the lowest frequency of all dimensions first, a smooth
chunk is a few numbers and many zeros, and byte pairs, learned from the training data, shorten what repeats:
the number of tokens grows more slowly than the control rate (docs/PERFORMANCE.md). A short chunk at a low
rate is hardly compressed.

    k = 4, a = 1    actions       .5   .5   .5   .6
                    coefficients  10.5 -.7  .5   -.3
                    rounded       10   -1   0    0
                    tokens        [10 -1]   [0 0]   end

The published decoder returns zeros if the numbers do not fill the chunk, which in an absolute action space
is a command. Here such a row is cut or filled up with zero coefficients, and reported. Coefficients outside
the range of the training data are clamped, here at both of its ends.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ...common.errors import InputError
from ..codec import ActionCodec, CodecConfig

FIRST = 0x4E00
"""Code point that represents the smallest coefficient: thousands of plain letters follow it."""


@dataclass(frozen=True)
class Config(CodecConfig):
    """Scale of the coefficients and size of the byte-pair vocabulary."""

    scale: float = 10.0
    vocab: int = 256
    """Number of tokens besides the end; published: 1024. It must hold all coefficients between the smallest
    and the largest."""

    def build(self, chunk: int, action_dim: int) -> "Fast":
        """Builds the codec; until it is fitted, its symbols are the coefficients of actions in [-1, 1],
        unpaired.

        Raises:
            ValueError: the scale is not positive, or the vocabulary is too small for such actions.
        """
        if not 0 < self.scale < math.inf:
            raise InputError(f"scale must be positive and finite, got {self.scale}")
        return Fast(self, chunk, action_dim)


class Fast(ActionCodec):
    """Chunk <-> pieces of its list of rounded coefficients."""

    cosines: Tensor
    """Matrix of the transform, [k, k]."""
    low: Tensor
    """Smallest coefficient that has a symbol."""
    symbols: Tensor
    """Number of symbols, i.e. of ids before the first pair."""
    pairs: Tensor
    """The two ids that each id consists of, [vocab, 2]; -1 for symbols and for unused ids."""

    def __init__(self, config: Config, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.scale, self.vocab, self.end = config.scale, config.vocab, config.vocab
        self.chunk, self.action_dim = chunk, action_dim
        self.vocab_size, self.length = config.vocab + 1, chunk * action_dim + 1
        self.register_buffer("cosines", cosine_transform(chunk), persistent=False)
        self.register_buffer("low", torch.zeros((), dtype=torch.long))
        self.register_buffer("symbols", torch.zeros((), dtype=torch.long))
        self.register_buffer("pairs", torch.full((config.vocab, 2), -1))
        # No coefficient of a chunk in [-1, 1] is larger than its norm.
        largest = math.ceil(config.scale * math.sqrt(chunk))
        self._set_symbols(-largest, largest)
        self._tokenizer: Any = None
        self._pieces: list[list[int]] = []
        # A module as its argument: a copy of this one must forget what is its own.
        self.register_load_state_dict_post_hook(lambda module, _: module._forget())

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Determines the range of the coefficients and learns pairs that occur at least twice (as published).

        Raises:
            ValueError: the vocabulary cannot hold the range.
        """
        from tokenizers import Tokenizer, models, trainers

        numbers = self.coefficients(actions.to(self.cosines.device))
        self._set_symbols(int(numbers.min()), int(numbers.max()))
        symbols = int(self.symbols)
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab,
            min_frequency=2,
            show_progress=False,
            initial_alphabet=[chr(FIRST + i) for i in range(symbols)],
            limit_alphabet=symbols,
        )
        tokenizer = Tokenizer(models.BPE())
        tokenizer.train_from_iterator((self._text(row) for row in numbers.tolist()), trainer)
        ids = tokenizer.get_vocab()
        assert [ids[chr(FIRST + i)] for i in range(symbols)] == list(range(symbols))
        self.pairs.fill_(-1)
        # The first pair that makes a piece: its parts have smaller ids, as `_bpe` needs.
        for one, other in reversed(_merges(tokenizer)):
            self.pairs[ids[one + other]] = torch.tensor([ids[one], ids[other]])
        self._forget()

    def coefficients(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b f"]:
        """Scaled and rounded coefficients, those of the lowest frequency first."""
        # In bf16 the sum could round to a neighboring value.
        with torch.autocast(actions.device.type, enabled=False):
            spectrum = einsum(self.cosines, actions.float(), "f k, b k a -> b f a") * self.scale
        return rearrange(spectrum.round().long(), "b f a -> b (f a)")

    def encode(self, actions: Float[Tensor, "b k a"]) -> Int[Tensor, "b m"]:
        """Ids of the pieces, followed by the end."""
        rows = [self._bpe().encode(self._text(row)).ids for row in self.coefficients(actions).tolist()]
        full = [row + [self.end] * (self.length - len(row)) for row in rows]
        return torch.tensor(full, device=actions.device)

    def decode(self, ids: Int[Tensor, "b m"]) -> tuple[Float[Tensor, "b k a"], Bool[Tensor, " b"]]:
        """Chunk of the coefficients that the pieces spell; a row with too many or too few is not valid."""
        self._bpe()
        total, low = self.chunk * self.action_dim, int(self.low)
        rows, failed = [], []
        for row in ids.tolist():
            pieces = row[: row.index(self.end)] if self.end in row else row
            symbols = [symbol for i in pieces for symbol in self._pieces[i]]
            failed.append(len(symbols) != total)
            numbers = [symbol + low for symbol in symbols[:total]]
            rows.append(numbers + [0] * (total - len(numbers)))
        spectrum = rearrange(torch.tensor(rows, device=ids.device), "b (f a) -> b f a", a=self.action_dim)
        with torch.autocast(ids.device.type, enabled=False):
            actions = einsum(self.cosines, spectrum / self.scale, "f k, b f a -> b k a")
        return actions, torch.tensor(failed, device=ids.device)

    def allowed(self, ids: Int[Tensor, "b m"]) -> Bool[Tensor, "b m v"]:
        """Pieces that still fit; the end once the chunk is full."""
        self._bpe()
        sizes = torch.tensor([len(piece) for piece in self._pieces] + [0], device=ids.device)
        spelt = sizes[ids].cumsum(dim=1) - sizes[ids]
        left = (self.chunk * self.action_dim - spelt).unsqueeze(2)
        fits = (sizes > 0) & (sizes <= left)
        fits[:, :, self.end] = left.squeeze(2) <= 0
        return fits

    def _text(self, numbers: list[int]) -> str:
        low, top = int(self.low), int(self.symbols) - 1
        return "".join(chr(FIRST + min(max(number - low, 0), top)) for number in numbers)

    def _set_symbols(self, low: int, high: int) -> None:
        if high - low + 1 > self.vocab:
            raise InputError(
                f"vocab {self.vocab} cannot hold the {high - low + 1} coefficients from {low} to {high}; "
                "make it larger, or scale smaller"
            )
        self.low.fill_(low)
        self.symbols.fill_(high - low + 1)

    def _forget(self) -> None:
        self._tokenizer = None

    def _bpe(self) -> Any:
        """The tokenizer described by `pairs`, built when first needed after they changed."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer, models

            symbols = int(self.symbols)
            words = [chr(FIRST + i) for i in range(symbols)] + [""] * (self.vocab - symbols)
            pairs = [(i, one, other) for i, (one, other) in enumerate(self.pairs.tolist()) if one >= 0]
            for i, one, other in pairs:
                words[i] = words[one] + words[other]
            merges = [(words[one], words[other]) for _, one, other in pairs]
            self._tokenizer = Tokenizer(models.BPE({w: i for i, w in enumerate(words) if w}, merges))
            self._pieces = [[ord(c) - FIRST for c in word] for word in words]
        return self._tokenizer


def cosine_transform(k: int) -> Float[Tensor, "k k"]:
    """Matrix of the orthonormal DCT-II, one frequency per row; its transpose is its inverse."""
    frequency, time = torch.arange(k, dtype=torch.float64)[:, None], torch.arange(k, dtype=torch.float64)
    matrix = torch.cos(math.pi * frequency * (time + 0.5) / k) * math.sqrt(2 / k)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


def _merges(tokenizer: Any) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
