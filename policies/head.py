"""ActionHead: one action representation on top of the trunk's prefix. Implementations live in heads/.

A head sees a `Prefix` and normalized action chunks. It knows nothing about tasks, images, text,
normalization, or how its chunk is executed. To add one, add a file to heads/ that defines `Config` (a frozen
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

from ..common.errors import InputError
from .reach import Reach
from .trunk import Trunk
from .types import Prefix


@dataclass
class SamplingCounts:
    """Cost of the chunks that one caller has sampled. The caller owns the counts: a shared head counts
    nothing."""

    chunks: int = 0
    """Number of chunks sampled."""
    evaluations: int = 0
    """Forward passes for these chunks; a batched pass counts once for every row that needed it."""
    undecodable: int = 0
    """Chunks whose ids were not a valid sequence and were completed by their codec."""

    def add(self, other: "SamplingCounts") -> None:
        """Adds further chunks."""
        self.chunks += other.chunks
        self.evaluations += other.evaluations
        self.undecodable += other.undecodable

    def evaluations_per_chunk(self, otherwise: int) -> int:
        """Mean number of evaluations, rounded; `otherwise` if nothing has been sampled."""
        return round(self.evaluations / self.chunks) if self.chunks else otherwise

    @property
    def undecodable_share(self) -> float:
        """Share of undecodable chunks, 0 to 1."""
        return self.undecodable / max(self.chunks, 1)


@dataclass(frozen=True)
class HeadConfig(ABC):
    """Base class of every head's configuration."""

    SAMPLING: ClassVar[tuple[str, ...]] = ()
    """Fields that affect only sampling and may be changed after training (see sampling.py)."""

    @property
    def reach(self) -> tuple[str, Reach | None]:
        """Setting that limits the normalized actions that the head can represent, and its limits, if any."""
        return "head", None

    @abstractmethod
    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "ActionHead":
        """Builds the head for `trunk`, to which it keeps no reference: it extends the prefixes it is
        given."""


class ActionHead(nn.Module, ABC):
    """Action head: turns a prefix into a chunk of normalized actions."""

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Adapts to normalized chunks of the training data, in place and into buffers that are saved; called
        once, before the first update. Does nothing by default."""

    @abstractmethod
    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Loss per row, averaged over the valid entries of the row, and detached scalars to log."""

    @abstractmethod
    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Samples one chunk per row. Row i draws its noise from `generators[i]` alone, so an episode's
        actions do not depend on which other episodes share the batch."""

    def sample_counted(
        self, prefix: Prefix, generators: Sequence[torch.Generator]
    ) -> tuple[Float[Tensor, "b k a"], SamplingCounts]:
        """Samples like `sample`, and also returns the cost. Heads with a variable cost override it."""
        b = len(prefix.mask)
        return self.sample(prefix, generators), SamplingCounts(b, b * self.num_function_evaluations)

    @property
    @abstractmethod
    def num_function_evaluations(self) -> int:
        """Forward passes per sampled chunk (of the action network, or of the trunk for token heads); the
        maximum where it varies."""


class ContinuingHead(ActionHead, ABC):
    """A head that can sample a chunk which continues the one being executed."""

    @abstractmethod
    def sample_onto(
        self,
        prefix: Prefix,
        generators: Sequence[torch.Generator],
        previous: Float[Tensor, "b k a"],
        weights: Float[Tensor, "b k"],
    ) -> Float[Tensor, "b k a"]:
        """Samples like `sample`, but close to `previous` (normalized; index 0 is the action due now)
        according to `weights`, from 0 to 1."""


def masked_mean(values: Float[Tensor, "b k a"], mask: Bool[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """Mean over the valid steps of each row, divided by their count rather than k; 0 for a row without
    any."""
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(dim=(1, 2)) / (weights.sum(dim=(1, 2)) * values.shape[2]).clamp(min=1)


def draw_noise(generators: Sequence[torch.Generator], chunk: int, action_dim: int) -> Float[Tensor, "b k a"]:
    """Standard normal noise, row i from `generators[i]`."""
    return torch.stack([torch.randn(chunk, action_dim, generator=g, device=g.device) for g in generators])


def stratified_uniform(b: int, m: int, generator: torch.Generator) -> Float[Tensor, "b m"]:
    """Uniform numbers in [0, 1), the j-th of a row in [j / m, (j + 1) / m). The m noise levels of one
    observation are thus spread out, and their mean loss varies less than with independent ones."""
    u = torch.rand(b, m, generator=generator, device=generator.device)
    return (u + torch.arange(m, device=u.device)) / m


HOTTEST = 1000
"""Largest temperature of sampling."""


def check_temperature(temperature: float) -> None:
    """Rejects a meaningless scale of sampling noise.

    Raises:
        ValueError: it is negative, not finite, or so large that the noise drowns the action.
    """
    if not 0 <= temperature < math.inf:
        raise InputError(f"temperature must be finite and not negative, got {temperature}")
    if temperature > HOTTEST:
        raise InputError(f"temperature must be at most {HOTTEST}, got {temperature}")
