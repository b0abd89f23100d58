"""Tokens: every action value is one of 256 bins, and the trunk itself is what predicts them.

"autoregressive" (RT-2, OpenVLA): k * a tokens, step by step and within a step dimension by dimension, each
decoded on the trunk's cache with all earlier ones in view; in training one causal pass sees the true ones
(teacher forcing).

    slot     0        1        2        ...     slot i stands for (step, dimension) = divmod(i, a)
    input    s0       s1 + e0  s2 + e1          s: slot embeddings, e: embedding of the token before
    output   token 0  token 1  token 2          read out at the slot itself, not one position earlier

"parallel" (OpenVLA-OFT, RT-1): k query tokens without any content but their slot embedding see each other
and are read out in one pass, a dimensions each. The values are then independent given the observation, so
where demonstrations disagree a chunk can mix two of their ways; an autoregressive one cannot.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..codec import CodecConfig
from ..codecs import bins
from ..head import ActionHead, HeadConfig, masked_mean
from ..trunk import Trunk
from ..types import Prefix


@dataclass(frozen=True)
class Config(HeadConfig):
    """Cross-entropy over a codec's ids; no other token of the trunk's vocabulary can be predicted."""

    codec: CodecConfig = field(default_factory=bins.Config)
    decoding: Literal["autoregressive", "parallel"] = "parallel"
    smoothing: float = 0.0
    """Standard deviation of the target around the true bin [bins]. 0 is plain cross-entropy, to which the
    neighbouring bin is as wrong as the farthest."""
    decode: Literal["argmax", "expectation"] = "argmax"
    """An id becomes the centre of its bin, or the mean of the predicted distribution around it."""
    window: int = 8
    """Bins on either side that the expectation covers: enough for the width of one mode, too few to average
    two."""
    temperature: float = 0.0
    """Of sampling; 0 takes the likeliest id."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Tokens":
        """The head, sized for `trunk`, which it keeps a reference to and extends.

        Raises:
            ValueError: a smoothing, window or temperature that is negative or not finite.
        """
        if not all(0 <= x < math.inf for x in (self.smoothing, self.window, self.temperature)):
            raise ValueError(
                "smoothing, window and temperature must be finite and must not be negative, got "
                f"{self.smoothing}, {self.window} and {self.temperature}"
            )
        kinds = {"autoregressive": Autoregressive, "parallel": Parallel}
        return kinds[self.decoding](self, trunk, chunk, action_dim)


class Tokens(ActionHead):
    """What both decodings share: targets, loss, and the way from logits to actions."""

    centres: Tensor
    """Value of each id, [v, a]."""
    targets: Tensor
    """Target distribution of each id, [v, v]."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config = config
        self.codec = config.codec.build()
        # In a tuple, or the trunk's parameters would be this head's too and be saved twice.
        self.trunk = (trunk,)
        self.chunk, self.action_dim = chunk, action_dim
        ids = torch.arange(self.codec.vocab_size)
        centres = self.codec.decode(ids[:, None, None].expand(-1, 1, action_dim)).squeeze(1)
        self.register_buffer("centres", centres, persistent=False)
        distance = ids[:, None] - ids
        # Without smoothing the targets stay one-hot: exp(-inf) beside exp(0).
        narrow = (-0.5 * (distance / max(config.smoothing, 1e-6)) ** 2).softmax(dim=-1)
        self.register_buffer("targets", narrow, persistent=False)

    @abstractmethod
    def logits(self, prefix: Prefix, ids: Int[Tensor, "b k a"]) -> Float[Tensor, "b k a v"]:
        """Scores of the ids of a whole chunk, in one pass of the trunk; teacher-forced on `ids` if it uses
        them."""

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Cross-entropy over the valid entries [nats]."""
        # Masked actions would reach later ones as inputs: they become the id of zero.
        ids = self.codec.encode(actions.masked_fill(~mask.unsqueeze(-1), 0))
        logits = self.logits(prefix, ids).float()
        loss = masked_mean(-(self.targets[ids] * logits.log_softmax(dim=-1)).sum(dim=-1), mask)
        with torch.no_grad():
            accuracy = masked_mean((logits.argmax(dim=-1) == ids).float(), mask).mean()
        return loss, {"cross_entropy": loss.detach().mean(), "token_accuracy": accuracy}

    def choose(
        self, logits: Float[Tensor, "b k a v"], generators: Sequence[torch.Generator]
    ) -> Int[Tensor, "b k a"]:
        """The likeliest ids, or ids sampled at the temperature, row i with `generators[i]` (Gumbel-max)."""
        if self.config.temperature == 0:
            return logits.argmax(dim=-1)
        noise = torch.stack([torch.rand(logits.shape[1:], generator=g, device=g.device) for g in generators])
        gumbel = -(-noise.to(logits.device).log()).log()
        return (logits / self.config.temperature + gumbel).argmax(dim=-1)

    def actions(self, ids: Int[Tensor, "b k a"], logits: Float[Tensor, "b k a v"]) -> Float[Tensor, "b k a"]:
        """Actions of the chosen ids."""
        if self.config.decode == "argmax":
            return self.codec.decode(ids)
        distance = torch.arange(self.codec.vocab_size, device=ids.device) - ids.unsqueeze(-1)
        near = logits.float().masked_fill(distance.abs() > self.config.window, -torch.inf)
        return einsum(near.softmax(dim=-1), self.centres, "b k a v, v a -> b k a")


class Parallel(Tokens):
    """One query per step, all read out at once."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__(config, trunk, chunk, action_dim)
        self.slots = nn.Parameter(torch.randn(chunk, trunk.dim) * trunk.embedding_scale)
        self.readout = nn.Linear(trunk.dim, action_dim * self.codec.vocab_size)

    @property
    def evaluations(self) -> int:
        """One pass of the trunk over the queries."""
        return 1

    def logits(self, prefix: Prefix, ids: Int[Tensor, "b k a"] | None = None) -> Float[Tensor, "b k a v"]:
        """Scores of all ids; it looks at no actions."""
        queries = self.slots.expand(len(prefix.mask), -1, -1)
        hidden, _ = self.trunk[0].extend(prefix, queries, "full")
        return rearrange(self.readout(hidden), "b k (a v) -> b k a v", a=self.action_dim)

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Every value on its own."""
        logits = self.logits(prefix).float()
        return self.actions(self.choose(logits, generators), logits)


class Autoregressive(Tokens):
    """One token per value, each seeing those before it."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__(config, trunk, chunk, action_dim)
        self.slots = nn.Parameter(torch.randn(chunk * action_dim, trunk.dim) * trunk.embedding_scale)
        self.embedding = nn.Embedding(self.codec.vocab_size, trunk.dim)
        nn.init.normal_(self.embedding.weight, std=trunk.embedding_scale)
        self.readout = nn.Linear(trunk.dim, self.codec.vocab_size)

    @property
    def evaluations(self) -> int:
        """One pass of the trunk per token."""
        return self.chunk * self.action_dim

    def logits(self, prefix: Prefix, ids: Int[Tensor, "b k a"]) -> Float[Tensor, "b k a v"]:
        """Scores of each id given the true ones before it."""
        before = self.embedding(rearrange(ids, "b k a -> b (k a)")[:, :-1])
        inputs = self.slots + F.pad(before, (0, 0, 1, 0))
        hidden, _ = self.trunk[0].extend(prefix, inputs, "causal")
        return rearrange(self.readout(hidden), "b (k a) v -> b k a v", a=self.action_dim)

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Token by token on the growing cache."""
        token = self.slots[:1].expand(len(prefix.mask), -1, -1)
        ids, logits = [], []
        for slot in range(self.evaluations):
            hidden, prefix = self.trunk[0].extend(prefix, token, "causal")
            scores = self.readout(hidden).float().unsqueeze(2)  # [b, 1, 1, v]
            chosen = self.choose(scores, generators)
            ids.append(chosen)
            logits.append(scores)
            if slot + 1 < self.evaluations:
                token = self.slots[slot + 1] + self.embedding(chosen.squeeze(2))
        shape = {"k": self.chunk, "a": self.action_dim}
        return self.actions(
            rearrange(torch.cat(ids, dim=1), "b (k a) 1 -> b k a", **shape),
            rearrange(torch.cat(logits, dim=1), "b (k a) 1 v -> b k a v", **shape),
        )
