"""Tokens: a chunk is a sequence of a codec's ids, which the trunk itself predicts.

"autoregressive" (RT-2, OpenVLA, pi0-FAST, VLA-0): token by token on the trunk's cache with all earlier ones
in view; in training one causal pass sees the true ones (teacher forcing).

    slot     0        1        2        ...     with bins, slot i stands for (step, dimension) = divmod(i, a)
    input    s0       s1 + e0  s2 + e1          s: slot embeddings, e: embedding of the token before
    output   token 0  token 1  token 2          read out at the slot itself, not one position earlier

"placeholder" (RT-1): the same slots in the same causal order, but blind to actions (s0 s1 s2 ... alone), so
that one pass reads all of them. "parallel" (OpenVLA-OFT): one such query per step, seeing each other, a
dimensions read from each. In both the values are independent given the observation, so where demonstrations
disagree a chunk can mix two of their ways; an autoregressive one cannot.

Ids have their own embeddings and readout, or are the last words of the language model, with its embeddings
and its output layer (RT-2, OpenVLA, pi0-FAST); then only the slots are new.
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

from ...common.errors import InputError
from ..codec import CodecConfig, hold
from ..codecs import bins
from ..head import ActionHead, HeadConfig, SamplingCounts, masked_mean
from ..reach import Reach
from ..trunk import Trunk
from ..types import Prefix


@dataclass(frozen=True)
class Config(HeadConfig):
    """Cross-entropy over a codec's ids; no other token of the trunk's vocabulary can be predicted."""

    SAMPLING = ("decode", "window", "temperature")

    codec: CodecConfig = field(default_factory=bins.Config)
    decoding: Literal["autoregressive", "parallel", "placeholder"] = "parallel"
    smoothing: float = 0.0
    """Standard deviation of the target around the true bin [bins]. 0 is plain cross-entropy, which treats the
    neighboring bin like the farthest one."""
    decode: Literal["argmax", "expectation"] = "argmax"
    """Conversion of an id to an action: the center of its bin, or the mean of the predicted distribution
    around it."""
    window: int = 8
    """Bins on either side that the expectation covers: enough for the width of one mode, too few to average
    two."""
    temperature: float = 0.0
    """Temperature of sampling; 0 selects the most likely id."""
    blanks: float = 0.0
    """During training, hide up to this fraction of the previous tokens (drawn per row), so that
    autoregressive decoding cannot copy its own actions instead of looking. VLA-0 has 0.4, spares one row in
    ten, and does not train on the hidden ids themselves."""
    grammar: bool = True
    """Whether only ids that the codec allows at a place are scored, in training and sampling, so that every
    sample can be decoded. Without it (pi0-FAST), `SamplingCounts.undecodable` counts failures."""
    ids: Literal["own", "words"] = "own"
    """Embeddings and readout of the ids: their own, or those of the language model's last words
    (autoregressive decoding only). That model needs an output layer (`lm_head`) and spare words
    (`vocab_size`), which are trained like the rest of it: not at all if it is frozen or has LoRA."""

    @property
    def reach(self) -> tuple[str, Reach | None]:
        """Range of the codec."""
        return "head.codec", self.codec.reach

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Tokens":
        """Builds the head for `trunk`.

        Raises:
            ValueError: a smoothing, window or temperature that is negative or not finite, a fraction outside
                0 to 1, an option that the codec does not support, or ids that cannot be words.
        """
        if not 0 <= self.blanks <= 1:
            raise InputError(f"blanks must be between 0 and 1, got {self.blanks}")
        if not all(0 <= x < math.inf for x in (self.smoothing, self.window, self.temperature)):
            raise InputError(
                "smoothing, window and temperature must be finite and must not be negative, got "
                f"{self.smoothing}, {self.window} and {self.temperature}"
            )
        if self.ids == "words" and self.decoding != "autoregressive":
            raise InputError(f"ids that are words need decoding 'autoregressive', got {self.decoding!r}")
        kinds = {"autoregressive": Autoregressive, "parallel": Parallel, "placeholder": Placeholder}
        return kinds[self.decoding](self, trunk, chunk, action_dim)


class Tokens(ActionHead):
    """Base class of all decodings: targets, loss, and the conversion of logits to actions."""

    targets: Tensor | None
    """Target distribution of each id, [v, v]; None without smoothing."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config = config
        self.codec = config.codec.build(chunk, action_dim)
        self.chunk, self.action_dim = chunk, action_dim
        name = type(self.codec).__name__
        if self.codec.centres is None and (config.smoothing or config.decode == "expectation"):
            raise InputError(
                f"smoothing and expectation need ids that are action values; those of codec {name} are not"
            )
        if self.codec.end is not None and config.decoding != "autoregressive":
            raise InputError(
                f"codec {name} has sequences of variable length: decoding must be 'autoregressive', "
                f"got {config.decoding!r}"
            )
        ids = torch.arange(self.codec.vocab_size)
        targets = None
        if config.smoothing:
            targets = (-0.5 * ((ids[:, None] - ids) / config.smoothing) ** 2).softmax(dim=-1)
        self.register_buffer("targets", targets, persistent=False)

    @abstractmethod
    def logits(
        self, prefix: Prefix, ids: Int[Tensor, "b m"], blank: Bool[Tensor, "b m"] | None = None
    ) -> Float[Tensor, "b m v"]:
        """Scores of the ids of a whole chunk in one pass of the trunk; teacher-forced on `ids`, except for
        those in `blank`, if the decoding uses them."""

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Fits the codec."""
        self.codec.fit(actions, generator)

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Mean cross-entropy over the known ids [nats]. Without the grammar, `forbidden` is the probability
        assigned to ids that cannot follow."""
        # Masked actions would reach later ones as inputs, or the whole sequence through the codec.
        ids = self.codec.encode(hold(actions, mask))
        known = self.codec.known(ids, mask)
        allowed = self.codec.allowed(ids)
        blank = None
        if self.training and self.config.blanks:
            share = torch.rand(len(ids), 1, generator=generator, device=ids.device) * self.config.blanks
            blank = torch.rand(ids.shape, generator=generator, device=ids.device) < share
        scores = self.logits(prefix, ids, blank).float()
        metrics = {}
        if not self.config.grammar:
            forbidden = (scores.detach().softmax(dim=-1) * ~allowed).sum(dim=-1, keepdim=True)
            metrics["forbidden"] = masked_mean(forbidden, known).mean()
        logp = self._lawful(scores, allowed).log_softmax(dim=-1)
        if self.targets is None:
            errors = -logp.gather(-1, ids.unsqueeze(-1))
        else:
            errors = -(self.targets[ids] * logp).sum(dim=-1, keepdim=True)
        loss = masked_mean(errors, known)
        with torch.no_grad():
            correct = (logp.argmax(dim=-1) == ids).float().unsqueeze(-1)
            accuracy = masked_mean(correct, known).mean()
        return loss, {"cross_entropy": loss.detach().mean(), "token_accuracy": accuracy, **metrics}

    def choose(
        self,
        logits: Float[Tensor, "b m v"],
        allowed: Bool[Tensor, "b m v"],
        noise: Float[Tensor, "b m v"] | None,
    ) -> Int[Tensor, "b m"]:
        """The most likely ids or, with `noise`, ids sampled at the temperature."""
        scores = self._lawful(logits, allowed)
        if noise is not None:
            scores = scores / self.config.temperature + noise
        return scores.argmax(dim=-1)

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Samples one chunk per row; see `ActionHead.sample`."""
        return self.sample_counted(prefix, generators)[0]

    @abstractmethod
    def sample_counted(
        self, prefix: Prefix, generators: Sequence[torch.Generator]
    ) -> tuple[Float[Tensor, "b k a"], SamplingCounts]:
        """Samples one chunk per row, and returns the cost; see `ActionHead.sample_counted`."""

    def noise(self, generators: Sequence[torch.Generator]) -> Float[Tensor, "b m v"] | None:
        """Gumbel noise for whole sequences, row i from `generators[i]`: as much as the longest one needs, so
        that a row's next chunk does not depend on how long this one was for the others."""
        if self.config.temperature == 0:
            return None
        shape = (self.codec.length, self.codec.vocab_size)
        uniform = torch.stack([torch.rand(shape, generator=g, device=g.device) for g in generators])
        return -(-uniform.log()).log()

    def actions(
        self, ids: Int[Tensor, "b m"], logits: Float[Tensor, "b n v"]
    ) -> tuple[Float[Tensor, "b k a"], int]:
        """Actions of the chosen ids, of which the first n were scored, and the number of invalid rows."""
        decoded, failed = self.codec.decode(ids)
        if self.config.decode == "argmax":
            return decoded, int(failed.sum())
        centres = self.codec.centres
        assert centres is not None
        distance = torch.arange(self.codec.vocab_size, device=ids.device) - ids.unsqueeze(-1)
        near = logits.masked_fill(distance.abs() > self.config.window, -torch.inf).softmax(dim=-1)
        near = rearrange(near, "b (k a) v -> b k a v", a=self.action_dim)
        return einsum(near, centres, "b k a v, v a -> b k a"), int(failed.sum())

    def _lawful(self, logits: Float[Tensor, "b m v"], allowed: Bool[Tensor, "b m v"]) -> Tensor:
        # Not -inf, which times zero in smoothed targets is not a number.
        return logits.masked_fill(~allowed, torch.finfo(logits.dtype).min) if self.config.grammar else logits


class Parallel(Tokens):
    """One query per step, all read out at once; one per id where ids do not belong to steps."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__(config, trunk, chunk, action_dim)
        queries = self.codec.length if self.codec.centres is None else chunk
        self.slots = nn.Parameter(torch.randn(queries, trunk.dim) * trunk.embedding_scale)
        self.readout = nn.Linear(trunk.dim, self.codec.length // queries * self.codec.vocab_size)

    @property
    def num_function_evaluations(self) -> int:
        """One pass of the trunk over the queries."""
        return 1

    def logits(
        self,
        prefix: Prefix,
        ids: Int[Tensor, "b m"] | None = None,
        blank: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b m v"]:
        """Scores of all ids; actions are not used."""
        queries = self.slots.expand(len(prefix.mask), -1, -1)
        hidden, _ = prefix.extend(queries, "full")
        return rearrange(self.readout(hidden), "b q (i v) -> b (q i) v", v=self.codec.vocab_size)

    def sample_counted(
        self, prefix: Prefix, generators: Sequence[torch.Generator]
    ) -> tuple[Float[Tensor, "b k a"], SamplingCounts]:
        """Chooses every value on its own."""
        logits = self.logits(prefix).float()
        # In codecs of fixed length, the allowed ids do not depend on the ids before.
        allowed = self.codec.allowed(torch.zeros(logits.shape[:2], dtype=torch.long, device=logits.device))
        actions, failures = self.actions(self.choose(logits, allowed, self.noise(generators)), logits)
        return actions, SamplingCounts(len(actions), len(actions), failures)


class Placeholder(Parallel):
    """One slot per id, in causal order, all read out at once."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        Tokens.__init__(self, config, trunk, chunk, action_dim)
        self.slots = nn.Parameter(torch.randn(self.codec.length, trunk.dim) * trunk.embedding_scale)
        self.readout = nn.Linear(trunk.dim, self.codec.vocab_size)

    def logits(
        self,
        prefix: Prefix,
        ids: Int[Tensor, "b m"] | None = None,
        blank: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b m v"]:
        """Scores of all ids; actions are not used."""
        hidden, _ = prefix.extend(self.slots.expand(len(prefix.mask), -1, -1), "causal")
        return self.readout(hidden)


class Autoregressive(Tokens):
    """One token per id, each seeing those before it."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__(config, trunk, chunk, action_dim)
        self.slots = nn.Parameter(torch.randn(self.codec.length, trunk.dim) * trunk.embedding_scale)
        if config.ids == "words":
            trunk.language.check_last_words(self.codec.vocab_size)
        else:
            self.embedding = nn.Embedding(self.codec.vocab_size, trunk.dim)
            nn.init.normal_(self.embedding.weight, std=trunk.embedding_scale)
            self.readout = nn.Linear(trunk.dim, self.codec.vocab_size)

    @property
    def num_function_evaluations(self) -> int:
        """One pass of the trunk per token of the longest sequence."""
        return self.codec.length

    def logits(
        self, prefix: Prefix, ids: Int[Tensor, "b m"], blank: Bool[Tensor, "b m"] | None = None
    ) -> Float[Tensor, "b m v"]:
        """Scores of each id, given the true ones before it."""
        before = self._embed(ids, prefix)
        if blank is not None:
            before = before.masked_fill(blank.unsqueeze(2), 0)
        inputs = self.slots + F.pad(before[:, :-1], (0, 0, 1, 0))
        hidden, _ = prefix.extend(inputs, "causal")
        return self._read_out(hidden, prefix)

    def sample_counted(
        self, prefix: Prefix, generators: Sequence[torch.Generator]
    ) -> tuple[Float[Tensor, "b k a"], SamplingCounts]:
        """Decodes token by token on the growing cache, until every row has ended. A row that ends earlier is
        computed along with the others, and what comes after its end is ignored."""
        noise, end = self.noise(generators), self.codec.end
        ids = torch.full((len(prefix.mask), self.codec.length), end or 0, device=prefix.mask.device)
        token = self.slots[:1].expand(len(ids), -1, -1)
        logits = []
        for slot in range(self.codec.length):
            hidden, prefix = prefix.extend(token, "causal")
            scores = self._read_out(hidden, prefix).float()  # [b, 1, v]
            allowed = self.codec.allowed(ids[:, : slot + 1])[:, -1:]
            chosen = self.choose(scores, allowed, None if noise is None else noise[:, slot : slot + 1])
            ids[:, slot] = chosen.squeeze(1)
            logits.append(scores)
            over = end is not None and (ids[:, : slot + 1] == end).any(dim=1).all()
            if over or slot + 1 == self.codec.length:
                break
            token = self.slots[slot + 1] + self._embed(chosen, prefix)
        actions, failures = self.actions(ids, torch.cat(logits, dim=1))
        return actions, SamplingCounts(len(ids), int(self.codec.real(ids).sum()), failures)

    def _embed(self, ids: Int[Tensor, "b m"], prefix: Prefix) -> Float[Tensor, "b m d"]:
        if self.config.ids == "own":
            return self.embedding(ids)
        return F.embedding(ids, prefix.source.last_words(self.codec.vocab_size)[0])

    def _read_out(self, hidden: Float[Tensor, "b m d"], prefix: Prefix) -> Float[Tensor, "b m v"]:
        if self.config.ids == "own":
            return self.readout(hidden)
        return F.linear(hidden, prefix.source.last_words(self.codec.vocab_size)[1])
