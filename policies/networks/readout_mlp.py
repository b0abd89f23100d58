"""OpenVLA-OFT's continuous heads (arXiv 2502.19645): the trunk itself reads out placeholders in parallel.

k * a placeholders, one per number of the chunk, follow the prefix through the trunk and see each other. The
a hidden states of one step, put end to end, give the step's action through a residual MLP.

    k = 2, a = 3     T  p p p  p p p      T: time, p: placeholder
                        \\___/  \\___/
                        MLP    MLP        [3 * d] -> d -> d -> d -> 3, the same for every step

A placeholder is g(x) - g(0), an MLP of the one noisy number that it stands for, as in OFT's diffusion
head: with regression, which feeds zeros, it is empty, as in its L1 head, and position alone tells them
apart. There is a token for time, which that head does not have and which regression sees as a constant.
Nothing of an evaluation is shared with the next: with s steps the trunk runs over the placeholders s times.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...vision.linear import scaled_linear
from ..network import ActionNetwork, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix
from ._sines import of_time


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Readout network with the width of the trunk."""

    blocks: int = 2
    """Residual blocks of the MLP."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "ReadoutMLP":
        """Builds the network for `trunk`.

        Raises:
            ValueError: `blocks` is below 1.
        """
        check_sizes(self, "blocks")
        return ReadoutMLP(self, trunk, chunk, action_dim)


class ReadoutMLP(ActionNetwork):
    """Network f(x, t, prefix): one pass of the trunk over time and k * a placeholders."""

    runs_trunk = True

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        d, scale = trunk.dim, trunk.embedding_scale
        self.time = nn.Sequential(of_time(d), scaled_linear(d, d, scale * 2**0.5))
        self.number_in = nn.Linear(1, d)
        self.number_out = nn.Parameter(torch.randn(d, d) * scale / d**0.5)
        self.first = nn.Sequential(nn.LayerNorm(action_dim * d), nn.Linear(action_dim * d, d), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d), nn.Linear(d, d), nn.ReLU()) for _ in range(config.blocks)
        )
        self.last = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, action_dim))

    def placeholders(self, x: Float[Tensor, "b k a"]) -> Float[Tensor, "b ka d"]:
        """One token per number of the chunk; zeros for 0."""
        numbers = rearrange(x, "b k a -> b (k a) 1")
        inner = F.gelu(self.number_in(numbers)) - F.gelu(self.number_in(torch.zeros_like(numbers[:1, :1])))
        return F.linear(inner, self.number_out)

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        tokens = torch.cat([self.time(t).unsqueeze(1), self.placeholders(x)], dim=1)
        hidden, _ = prefix.extend(tokens, "full")
        z = self.first(rearrange(hidden[:, 1:], "b (k a) d -> b k (a d)", k=x.shape[1]))
        for block in self.blocks:
            z = z + block(z)
        return self.last(z)
