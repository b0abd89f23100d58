"""ActionHead: one action representation on top of the trunk's prefix. Implementations live in heads/.

A head sees a `Prefix` and normalised action chunks. It knows nothing of tasks, images, text, normalisation,
or how its chunk is executed. Adding one is adding a file to heads/ that defines `Config` (a frozen
dataclass deriving from `HeadConfig`) whose `build` returns an `ActionHead`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from .reach import Reach
from .trunk import Trunk
from .types import Prefix


@dataclass
class SamplingCounts:
    """What chunks have cost one caller, who keeps the counts: a head is shared and counts nothing itself."""

    chunks: int = 0
    """Chunks sampled."""
    evaluations: int = 0
    """Forward passes of these chunks, each batched pass counted for every row that needed it."""
    undecodable: int = 0
    """Chunks whose ids were no valid sequence; their codec completed them."""

    def add(self, other: "SamplingCounts") -> None:
        """Adds further chunks."""
        self.chunks += other.chunks
        self.evaluations += other.evaluations
        self.undecodable += other.undecodable

    def evaluations_per_chunk(self, otherwise: int) -> int:
        """Mean, rounded; `otherwise` if nothing has been sampled."""
        return round(self.evaluations / self.chunks) if self.chunks else otherwise

    @property
    def undecodable_share(self) -> float:
        """Share of undecodable chunks, 0 to 1."""
        return self.undecodable / max(self.chunks, 1)


@dataclass(frozen=True)
class HeadConfig(ABC):
    """Base of every head's configuration."""

    SAMPLING: ClassVar[tuple[str, ...]] = ()
    """Fields that matter in sampling alone: they may be changed after training (see sampling.py)."""

    @property
    def reach(self) -> tuple[str, Reach | None]:
        """The setting that limits the normalized actions that the head can say, and its limits, if any."""
        return "head", None

    @abstractmethod
    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "ActionHead":
        """The head, sized for `trunk`, of which it keeps nothing: it extends the prefixes it is given."""


class ActionHead(nn.Module, ABC):
    """Turns a prefix into a chunk of normalised actions."""

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Adapts to normalised chunks of the training data, in place and into buffers that are saved; called
        once, before the first update. By default there is nothing to adapt."""

    @abstractmethod
    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Per-row loss, averaged over the valid entries of the row, and detached scalars worth logging."""

    @abstractmethod
    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """A chunk per row. Row i draws its noise from `generators[i]` alone, so that an episode's actions
        do not depend on which other episodes share the batch."""

    def sample_counted(
        self, prefix: Prefix, generators: Sequence[torch.Generator]
    ) -> tuple[Float[Tensor, "b k a"], SamplingCounts]:
        """`sample`, and what its chunks have cost. Heads whose cost varies override it."""
        b = len(prefix.mask)
        return self.sample(prefix, generators), SamplingCounts(b, b * self.evaluations)

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """Forward passes per sampled chunk (of the action network, or of the trunk for token heads); the
        largest number where it varies."""


class ContinuingHead(ActionHead, ABC):
    """A head that can draw a chunk which goes on from the one that is being executed."""

    @abstractmethod
    def sample_onto(
        self,
        prefix: Prefix,
        generators: Sequence[torch.Generator],
        previous: Float[Tensor, "b k a"],
        weights: Float[Tensor, "b k"],
    ) -> Float[Tensor, "b k a"]:
        """As `sample`, but near to `previous` (normalised, index 0 is the action due now) where `weights`, 0
        to 1, say so."""


def masked_mean(values: Float[Tensor, "b k a"], mask: Bool[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """Mean over the valid steps of each row, divided by their count and not by k; 0 for a row without any."""
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(dim=(1, 2)) / (weights.sum(dim=(1, 2)) * values.shape[2]).clamp(min=1)


def draw_noise(generators: Sequence[torch.Generator], chunk: int, action_dim: int) -> Float[Tensor, "b k a"]:
    """Standard normal noise, row i from `generators[i]`."""
    return torch.stack([torch.randn(chunk, action_dim, generator=g, device=g.device) for g in generators])


def stratified_uniform(b: int, m: int, generator: torch.Generator) -> Float[Tensor, "b m"]:
    """Uniform numbers in [0, 1), the j-th of a row in [j / m, (j + 1) / m): the m noise levels at which one
    observation is trained are spread out, and their mean loss varies less than that of independent ones."""
    u = torch.rand(b, m, generator=generator, device=generator.device)
    return (u + torch.arange(m, device=u.device)) / m


HOTTEST = 1000
"""Largest temperature of sampling."""


def check_temperature(temperature: float) -> None:
    """Refuses a scale of sampling noise that means nothing.

    Raises:
        ValueError: it is negative, not finite, or so large that no action is left in the noise.
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be finite and not negative, got {temperature}")
    if temperature > HOTTEST:
        raise ValueError(f"temperature must be at most {HOTTEST}, got {temperature}")
