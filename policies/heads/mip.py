"""MIP, the minimal iterative policy (arXiv 2512.01809): regression, and once more on its own answer.

    training   f(0, 0) -> actions          f(actions + (1 - t) noise, t) -> actions,          t = 0.9
    sampling   first = f(0, 0)             actions = f(first, t)

The network predicts actions rather than a velocity; noise is added only in training, so a chunk is
deterministic. As in the authors' code, the second input is not scaled by t, and the two errors are divided by
t and by 1 - t before they are squared: at equal size the second counts 81 times the first. Returning its
input, however, would cost it no more than (1 - t)^2. The network is that of regression and flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from ...common.errors import InputError
from ..head import ActionHead, HeadConfig, masked_mean
from ..network import ActionNetwork, NetworkConfig
from ..networks import expert
from ..trunk import Trunk
from ..types import Prefix


@dataclass(frozen=True)
class Config(HeadConfig):
    """Deterministic: regression with the two features to which the authors attribute the success of flow,
    several passes and noise in their inputs."""

    network: NetworkConfig = field(default_factory=expert.Config)
    time: float = 0.9
    """Time t of the second pass; 1 - t is the standard deviation of the noise in its input."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Mip":
        """Builds the head for `trunk`.

        Raises:
            ValueError: `time` is not between 0 and 1.
        """
        if not 0 < self.time < 1:
            raise InputError(f"time must be between 0 and 1, got {self.time}")
        return Mip(self, self.network.build(trunk, chunk, action_dim), chunk, action_dim)


class Mip(ActionHead):
    """Actions = f(f(0, 0, prefix), t, prefix)."""

    def __init__(self, config: Config, network: ActionNetwork, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config, self.network = config, network
        self.chunk, self.action_dim = chunk, action_dim

    @property
    def num_function_evaluations(self) -> int:
        """Two passes of the network."""
        return 2

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Squared errors of both passes over the valid entries, divided by t^2 and by (1 - t)^2."""
        t = self.config.time
        # Masked actions would reach the valid ones through attention: they become 0, the center of the data.
        actions = actions.masked_fill(~mask.unsqueeze(-1), 0)
        noise = torch.randn(actions.shape, generator=generator, device=generator.device).to(actions.device)
        noisy = actions + (1 - t) * noise
        # Both passes as one, with two rows per observation.
        x = rearrange(torch.stack([torch.zeros_like(noisy), noisy], dim=1), "b two k a -> (b two) k a")
        times = x.new_tensor([0.0, t]).repeat(len(actions))
        predictions = self.network(x, times, prefix.repeat(2)).float()
        first, second = rearrange(predictions, "(b two) k a -> two b k a", two=2)
        blind, refined = (masked_mean((answer - actions).square(), mask) for answer in (first, second))
        metrics = {"first_mse": blind.detach().mean(), "second_mse": refined.detach().mean()}
        return blind / t**2 + refined / (1 - t) ** 2, metrics

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Prediction of the second pass; deterministic."""
        x = torch.zeros(len(prefix.mask), self.chunk, self.action_dim, device=prefix.mask.device)
        for network in self.network.at(x.new_tensor([0.0, self.config.time]), prefix):
            x = network(x).float()
        return x
