"""BeT (arXiv 2206.11251): one of a few typical chunks, and an offset from it.

The typical chunks are the centers of a k-means clustering of the training chunks, found before the first
update. From one token that extends the prefix, the head reads a distribution over the clusters and, for each
of them, an offset of the whole chunk; a chunk is the center of a drawn cluster plus that cluster's offset.

    loss = (1 - p)^2 * -log p  +  offset * |actions - center - offset|^2     p, center, offset: of the true,
                                                                             that is, the nearest cluster
BeT's chunks are one action long, and a transformer reads one such pair per observed step. In longer chunks
one cluster stands for all steps, so that a chunk keeps to one way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ...common.errors import InputError
from ..codec import hold
from ..head import ActionHead, HeadConfig, check_temperature, masked_mean
from ..trunk import Trunk
from ..types import Prefix

FOCUS = 2.0
"""Exponent of the focal loss."""
ROUNDS = 50
"""Iterations of k-means, as in BeT."""


@dataclass(frozen=True)
class Config(HeadConfig):
    """Number of clusters, and how one is drawn."""

    SAMPLING = ("temperature",)

    clusters: int = 64
    """Number of typical chunks; 64 for BeT's kitchen, 24 for its blocks."""
    offset: float = 100.0
    """Weight of the squared error. BeT's is 1000, for a trunk without other losses to balance."""
    temperature: float = 1.0
    """Temperature of drawing a cluster; 0 selects the most likely one."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Bet":
        """Builds the head for `trunk`.

        Raises:
            ValueError: no cluster, or a weight or temperature that is negative or not finite.
        """
        if self.clusters < 1:
            raise InputError(f"clusters must be at least 1, got {self.clusters}")
        if not 0 <= self.offset < math.inf:
            raise InputError(f"offset must be finite and not negative, got {self.offset}")
        check_temperature(self.temperature)
        return Bet(self, trunk, chunk, action_dim)


class Bet(ActionHead):
    """Cluster and offsets, read from one token. Without `fit` all centers are 0, and only offsets learn."""

    centers: Tensor
    """Typical chunks, [c, k * a]."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config = config
        self.chunk, self.action_dim = chunk, action_dim
        self.register_buffer("centers", torch.zeros(config.clusters, chunk * action_dim))
        self.query = nn.Parameter(torch.randn(1, trunk.dim) * trunk.embedding_scale)
        self.scores = nn.Linear(trunk.dim, config.clusters)
        self.offsets = nn.Linear(trunk.dim, config.clusters * chunk * action_dim)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)

    @property
    def num_function_evaluations(self) -> int:
        """One pass of the trunk over the query."""
        return 1

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Finds the cluster centers."""
        chunks = rearrange(actions.float(), "n k a -> n (k a)").to(self.centers.device)
        self.centers.copy_(k_means(chunks, self.config.clusters, generator))

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Focal loss of the true cluster, and the squared error left by its offset."""
        hidden = self._read(prefix)
        actions = hold(actions, mask)  # a cluster is one of whole chunks
        true = nearest(rearrange(actions.float(), "b k a -> b (k a)"), self.centers)
        logp = self.scores(hidden).float().log_softmax(dim=-1)
        likely = logp.gather(1, true.unsqueeze(1)).squeeze(1)
        focal = (1 - likely.exp()) ** FOCUS * -likely * mask.any(dim=1)
        error = masked_mean((self._chunk(hidden, true) - actions).square(), mask)
        return focal + self.config.offset * error, {
            "cluster_loss": focal.detach().mean(),
            "cluster_accuracy": (logp.argmax(dim=1) == true).float().mean(),
            "offset_mse": error.detach().mean(),
        }

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Samples a cluster and returns its center plus its offset."""
        hidden = self._read(prefix)
        scores = self.scores(hidden).float()
        if self.config.temperature > 0:
            noise = [torch.rand(len(self.centers), generator=g, device=g.device) for g in generators]
            gumbel = -(-torch.stack(noise).to(scores.device).log()).log()
            scores = scores / self.config.temperature + gumbel
        return self._chunk(hidden, scores.argmax(dim=1))

    def _read(self, prefix: Prefix) -> Float[Tensor, "b d"]:
        query = self.query.expand(len(prefix.mask), -1, -1)
        return prefix.extend(query, "full")[0].squeeze(1)

    def _chunk(self, hidden: Float[Tensor, "b d"], cluster: Int[Tensor, " b"]) -> Float[Tensor, "b k a"]:
        offsets = rearrange(self.offsets(hidden).float(), "b (c n) -> b c n", c=len(self.centers))
        rows = torch.arange(len(cluster), device=cluster.device)
        chunk = self.centers[cluster] + offsets[rows, cluster]
        return rearrange(chunk, "b (k a) -> b k a", a=self.action_dim)


def k_means(points: Float[Tensor, "n e"], clusters: int, generator: torch.Generator) -> Float[Tensor, "c e"]:
    """Centers of `clusters` clusters of the points (Lloyd's algorithm), initialized at random points.

    As in BeT, a cluster that has lost all of its points restarts at a random one.
    """

    def some() -> Tensor:
        order = torch.randperm(len(points), generator=generator, device=generator.device)
        # Fewer points than clusters: some points are used more than once.
        return points[order.to(points.device).repeat(-(-clusters // len(points)))[:clusters]]

    centers = some()
    for _ in range(ROUNDS):
        assigned = nearest(points, centers)
        sums = torch.zeros_like(centers).index_add_(0, assigned, points)
        counts = torch.bincount(assigned, minlength=clusters).unsqueeze(1)
        centers = torch.where(counts > 0, sums / counts.clamp(min=1), some())
    return centers


def nearest(points: Float[Tensor, "n e"], centers: Float[Tensor, "c e"]) -> Int[Tensor, " n"]:
    """Index of the center nearest to each point."""
    return torch.cdist(points, centers).argmin(dim=1)
