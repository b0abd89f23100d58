"""VQ-BeT (arXiv 2403.03181): one of a few learned chunks, plus a correction.

The chunk is encoded as one code per level of a residual vector quantizer (see codecs/vq.py), fitted before
the first update and then left alone. From one token that extends the prefix, the head reads a distribution
over the codes of each level, and for each code an offset of the whole chunk. An action is the decoded codes
plus the sum of their offsets: several ways stay apart, as codes; what these are too coarse for is regressed.

The codes' loss is focal, `(1 - p)^2 * -log p`, the offsets' is L1. VQ-BeT weighs them 5 (first level), 0.5
(others) and 100 (offsets); here all are divided by 5, so that a trunk's other losses keep their place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ...common.errors import InputError
from ..codec import hold
from ..codecs import vq
from ..head import ActionHead, HeadConfig, check_temperature, masked_mean
from ..trunk import Trunk
from ..types import Prefix

FOCUS = 2.0
"""Exponent of the focal loss."""


@dataclass(frozen=True)
class Config(HeadConfig):
    """Quantizer, and the sampling of its codes."""

    SAMPLING = ("temperature",)

    codec: vq.Config = field(default_factory=vq.Config)
    offset: float = 20.0
    """Weight of the offsets' loss, relative to that of the first code."""
    other_codes: float = 0.1
    """Weight of the loss of the codes after the first."""
    correct: Literal["true", "sampled"] = "true"
    """Codes whose offsets learn from a chunk: its own (as in BeT), or codes sampled from the current
    distribution (as in VQ-BeT's code), which pulls the offsets of one way toward another where demonstrations
    differ."""
    temperature: float = 1.0
    """Temperature of sampling codes; 0 selects the most likely ones."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "VqBet":
        """Builds the head for `trunk`.

        Raises:
            ValueError: a weight or the temperature is negative or not finite.
        """
        check_temperature(self.temperature)
        if not all(0 <= x < math.inf for x in (self.offset, self.other_codes)):
            raise InputError(
                "offset and other_codes must be finite and must not be negative, got "
                f"{self.offset} and {self.other_codes}"
            )
        return VqBet(self, trunk, chunk, action_dim)


class VqBet(ActionHead):
    """Codes and offsets, read from one token."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config = config
        self.codec = config.codec.build(chunk, action_dim)
        self.chunk, self.action_dim = chunk, action_dim
        self.query = nn.Parameter(torch.randn(1, trunk.dim) * trunk.embedding_scale)
        self.codes = nn.Linear(trunk.dim, self.codec.vocab_size)
        self.offsets = nn.Linear(trunk.dim, self.codec.vocab_size * chunk * action_dim)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)

    @property
    def num_function_evaluations(self) -> int:
        """One pass of the trunk over the query."""
        return 1

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Fits the quantizer."""
        self.codec.fit(actions, generator)

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Focal loss of the codes plus the weighted L1 error of the chunk made of codes and offsets."""
        actions = hold(actions, mask)
        ids = self.codec.encode(actions)
        hidden = self._read(prefix)
        logp = self._logits(hidden).log_softmax(dim=-1)  # [b, l, c]
        true = logp.gather(2, (ids % self.codec.codes).unsqueeze(2)).squeeze(2)  # [b, l]
        focal = (1 - true.exp()) ** FOCUS * -true
        weight = torch.full_like(focal[0], self.config.other_codes)
        weight[0] = 1.0
        code_loss = (focal * weight).sum(dim=1) * mask.any(dim=1)

        chosen = ids
        if self.config.correct == "sampled":
            noise = torch.rand(logp.shape, generator=generator, device=logp.device)
            chosen = self._ids(logp.detach() - (-noise.log()).log())
        error = masked_mean((self._chunk(hidden, chosen) - actions).abs(), mask)
        loss = code_loss + self.config.offset * error
        return loss, {
            "code_loss": code_loss.detach().mean(),
            "code_accuracy": (logp.argmax(dim=2) == ids % self.codec.codes).float().mean(),
            "l1": error.detach().mean(),
        }

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Samples codes at the temperature, decodes them and adds their offsets."""
        hidden = self._read(prefix)
        scores = self._logits(hidden)
        if self.config.temperature > 0:
            noise = torch.stack(
                [torch.rand(scores.shape[1:], generator=g, device=g.device) for g in generators]
            )
            scores = scores / self.config.temperature - (-noise.log()).log()
        return self._chunk(hidden, self._ids(scores))

    def _read(self, prefix: Prefix) -> Float[Tensor, "b d"]:
        query = self.query.expand(len(prefix.mask), -1, -1)
        return prefix.extend(query, "full")[0].squeeze(1)

    def _logits(self, hidden: Float[Tensor, "b d"]) -> Float[Tensor, "b l c"]:
        return rearrange(self.codes(hidden).float(), "b (l c) -> b l c", c=self.codec.codes)

    def _ids(self, scores: Float[Tensor, "b l c"]) -> Int[Tensor, "b l"]:
        level = torch.arange(self.codec.levels, device=scores.device)
        return scores.argmax(dim=2) + level * self.codec.codes

    def _chunk(self, hidden: Float[Tensor, "b d"], ids: Int[Tensor, "b l"]) -> Float[Tensor, "b k a"]:
        sizes = {"k": self.chunk, "a": self.action_dim}
        offsets = rearrange(self.offsets(hidden).float(), "b (v k a) -> b v k a", **sizes)
        rows = torch.arange(len(ids), device=ids.device).unsqueeze(1)
        return self.codec.decode(ids)[0] + reduce(offsets[rows, ids], "b l k a -> b k a", "sum")
