"""Discrete diffusion (arXiv 2508.20072): every action value is one of 256 bins, filled in over a few rounds.

All k * a ids of a chunk follow the prefix in the trunk and see each other; an unknown id is a mask token. In
training a random share of them is hidden, cos(pi u / 2) for uniform u (MaskGIT's schedule, arXiv 2202.04200),
and the loss is the cross-entropy of those. At inference a chunk starts fully hidden. Every round predicts all
hidden ids at once and hides the least probable ids again: cos(pi r / 2R) of them after round r of R, at least
one before the last round, none after it. The probability of an id is that of the round that filled it in, so
an id that was filled in early can be hidden again (mask-predict, arXiv 1904.09324).

    k * a = 6, R = 3   hidden after each round: 5, 3, 0
    round 1  _ _ _ _ _ _  ->  _ _ 7 _ _ _
    round 2  _ _ 7 _ _ _  ->  4 _ _ 4 9 _     7 was the least certain after all
    round 3  4 _ _ 4 9 _  ->  4 5 6 4 9 9

Instead of hiding a fixed share again, the paper compares the current probabilities of filled ids with
thresholds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ...common.errors import InputError
from ..codec import CodecConfig, hold
from ..codecs import bins
from ..head import ActionHead, HeadConfig, check_temperature, masked_mean
from ..reach import Reach
from ..trunk import Trunk
from ..types import Prefix

MOST_ROUNDS = 1000
"""Upper bound on rounds; a chunk has fewer values, and more rounds only take time."""


@dataclass(frozen=True)
class Config(HeadConfig):
    """Cross-entropy over a codec's ids, in any order."""

    SAMPLING = ("rounds", "temperature")

    codec: CodecConfig = field(default_factory=bins.Config)
    """Codec with sequences of fixed length."""
    rounds: int = 8
    """Passes of the trunk per sampled chunk."""
    temperature: float = 0.0
    """Temperature of sampling an id and, falling to 0 over the rounds, of choosing which ids stay (as in
    MaskGIT: otherwise the likelier of two ways, being more certain, would be taken too often). 0 selects the
    most likely ids."""

    @property
    def reach(self) -> tuple[str, Reach | None]:
        """Range of the codec."""
        return "head.codec", self.codec.reach

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "DiscreteDiffusion":
        """Builds the head for `trunk`.

        Raises:
            ValueError: no round, a temperature that is negative or not finite, or an impossible codec.
        """
        if not 1 <= self.rounds <= MOST_ROUNDS:
            raise InputError(f"rounds must be in 1..{MOST_ROUNDS}, got {self.rounds}")
        check_temperature(self.temperature)
        return DiscreteDiffusion(self, trunk, chunk, action_dim)


class DiscreteDiffusion(ActionHead):
    """Predicts hidden ids from visible ones."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config = config
        self.codec = config.codec.build(chunk, action_dim)
        if self.codec.end is not None:
            name = type(self.codec).__name__
            raise InputError(f"discrete_diffusion needs a codec of fixed length; that of {name} varies")
        self.slots = nn.Parameter(torch.randn(self.codec.length, trunk.dim) * trunk.embedding_scale)
        # The last row is the mask token.
        self.embedding = nn.Embedding(self.codec.vocab_size + 1, trunk.dim)
        nn.init.normal_(self.embedding.weight, std=trunk.embedding_scale)
        self.readout = nn.Linear(trunk.dim, self.codec.vocab_size)

    @property
    def num_function_evaluations(self) -> int:
        """One pass of the trunk over the chunk per round."""
        return self.config.rounds

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Fits the codec."""
        self.codec.fit(actions, generator)

    def log_probabilities(
        self, prefix: Prefix, ids: Int[Tensor, "b m"], hidden: Bool[Tensor, "b m"]
    ) -> Float[Tensor, "b m v"]:
        """Log probability of every id at every place, given the ids that are not hidden [nats]."""
        seen = self.slots + self.embedding(ids.masked_fill(hidden, self.codec.vocab_size))
        states, _ = prefix.extend(seen, "full")
        scores = self.readout(states).float()
        # In codecs of fixed length, the ids allowed at a place do not depend on the other ids.
        lawful = scores.masked_fill(~self.codec.allowed(ids), torch.finfo(scores.dtype).min)
        return lawful.log_softmax(dim=-1)

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Mean cross-entropy of the hidden ids that are known [nats]; unknown ones stay hidden."""
        ids = self.codec.encode(hold(actions, mask))
        known = self.codec.known(ids, mask)
        asked = self.asked(known, generator)
        logp = self.log_probabilities(prefix, ids, asked | ~known)
        loss = masked_mean(-logp.gather(-1, ids.unsqueeze(-1)), asked)
        with torch.no_grad():
            accuracy = masked_mean((logp.argmax(dim=-1) == ids).float().unsqueeze(-1), asked).mean()
        return loss, {"cross_entropy": loss.detach().mean(), "token_accuracy": accuracy}

    def asked(self, known: Bool[Tensor, "b m"], generator: torch.Generator) -> Bool[Tensor, "b m"]:
        """Ids to predict: a random share of the known ones of each row, and at least one."""
        draw = torch.rand(len(known), known.shape[1] + 1, generator=generator, device=generator.device)
        draw = draw.to(known.device)
        count = (known.sum(dim=1) * (draw[:, 0] * math.pi / 2).cos()).ceil()
        return known & (ranks(draw[:, 1:].masked_fill(~known, torch.inf)) < count.unsqueeze(1))

    def hidden_after(self, round_: int) -> int:
        """Number of ids hidden after this round; the first round is 1."""
        if round_ == self.config.rounds:
            return 0
        return max(1, int(self.codec.length * math.cos(math.pi / 2 * round_ / self.config.rounds)))

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Samples by rounds of filling in ids and hiding some again."""
        b, m = len(prefix.mask), self.codec.length
        ids = torch.zeros(b, m, dtype=torch.long, device=prefix.mask.device)
        hidden = torch.ones_like(ids, dtype=torch.bool)
        certainty = torch.zeros(b, m, device=ids.device)
        for round_ in range(1, self.config.rounds + 1):
            logp = self.log_probabilities(prefix, ids, hidden)
            to_choose, to_stay = self._noise(logp, generators)
            chosen = (logp + to_choose).argmax(dim=-1)
            ids = torch.where(hidden, chosen, ids)
            filled = logp.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
            certainty = torch.where(hidden, filled, certainty)
            left = 1 - round_ / self.config.rounds
            hidden = ranks(certainty + left * to_stay) < self.hidden_after(round_)
        return self.codec.decode(ids)[0]

    def _noise(
        self, logp: Float[Tensor, "b m v"], generators: Sequence[torch.Generator]
    ) -> tuple[Float[Tensor, "b m v"], Float[Tensor, "b m"]]:
        """Gumbel noise times the temperature: the argmax of log p plus this noise is a sample (for logits
        over the temperature)."""
        if self.config.temperature == 0:
            return torch.zeros_like(logp), torch.zeros_like(logp[..., 0])
        shape = (logp.shape[1], logp.shape[2] + 1)
        uniform = torch.stack([torch.rand(shape, generator=g, device=g.device) for g in generators])
        gumbel = -(-uniform.to(logp.device).log()).log() * self.config.temperature
        return gumbel[..., :-1], gumbel[..., -1]


def ranks(values: Float[Tensor, "b m"]) -> Int[Tensor, "b m"]:
    """Rank of each value in its row in ascending order, from 0; of equal values, the first ranks lower."""
    return values.argsort(dim=1, stable=True).argsort(dim=1)
