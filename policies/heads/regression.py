"""Regression: predicts the chunk in one pass, as in ACT and OpenVLA-OFT.

The network is the one with which flow and diffusion denoise, given zeros at t = 0, so that a comparison
between them differs only in the objective (the protocol of arXiv 2512.01809).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..head import ActionHead, HeadConfig, masked_mean
from ..network import ActionNetwork, NetworkConfig
from ..networks import expert
from ..trunk import Trunk
from ..types import Prefix


@dataclass(frozen=True)
class Config(HeadConfig):
    """Deterministic: where the demonstrations disagree it predicts their median (l1) or mean (l2)."""

    network: NetworkConfig = field(default_factory=expert.Config)
    loss: Literal["l1", "l2"] = "l1"

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Regression":
        """Builds the head for `trunk`."""
        return Regression(self, self.network.build(trunk, chunk, action_dim), chunk, action_dim)


class Regression(ActionHead):
    """Actions = f(0, 0, prefix)."""

    def __init__(self, config: Config, network: ActionNetwork, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.config, self.network = config, network
        self.chunk, self.action_dim = chunk, action_dim

    @property
    def num_function_evaluations(self) -> int:
        """One pass of the network."""
        return 1

    def predict(self, prefix: Prefix) -> Float[Tensor, "b k a"]:
        """Output of the network for an empty chunk."""
        b = len(prefix.mask)
        zeros = torch.zeros(b, self.chunk, self.action_dim, device=prefix.mask.device)
        return self.network(zeros, zeros[:, 0, 0], prefix).float()

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Mean absolute or squared error over the valid entries."""
        error = self.predict(prefix) - actions.masked_fill(~mask.unsqueeze(-1), 0)
        loss = masked_mean({"l1": error.abs, "l2": error.square}[self.config.loss](), mask)
        return loss, {self.config.loss: loss.detach().mean()}

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Prediction of the chunk; deterministic."""
        return self.predict(prefix)
