"""Octo's action head (arXiv 2405.12213): a residual MLP over [time | readout | noisy chunk].

The readout is the hidden state of one learned token that follows the prefix through the trunk: it sees the
prefix and nothing sees it, so `Prefix.extend` computes it. It depends on the prefix alone and is computed in
`prepare`, once per chunk; gradients, if enabled, flow through it into the trunk. The chunk is one flat
vector, predicted at once.

Time enters through learned frequencies w_i: features [cos(2 pi w_i t), sin(2 pi w_i t)], then a small MLP.
Octo draws the w_i with standard deviation 0.2 and counts its noise levels 0, 1, .., 19 where we have
t in [0, 1]; hence `STEPS`.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from ..network import ActionNetwork, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix

STEPS = 19
"""Octo's number of steps from data to noise."""


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Residual MLP; Octo's has width 256."""

    width: int = 128
    """Width of the residual stream; inside a block it is four times as large."""
    blocks: int = 3
    time: int = 32
    """Number of time features."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "MLPResNet":
        """Builds the network for `trunk`.

        Raises:
            ValueError: a size is below 1, or `time` is odd or not positive.
        """
        check_sizes(self, "width", "blocks")
        if self.time < 2 or self.time % 2:
            raise InputError(f"time must be even and positive, got {self.time}")
        return MLPResNet(self, trunk, chunk, action_dim)


@dataclass(kw_only=True)
class ReadPrefix(Prefix):
    """A prefix with its readout."""

    readout: Float[Tensor, "b d"]
    """Hidden state of the readout token."""


class MLPResNet(ActionNetwork):
    """Network f(x, t, prefix) with one vector for the whole chunk."""

    runs_trunk = True

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.readout = nn.Parameter(torch.randn(1, trunk.dim) * trunk.embedding_scale)
        self.frequencies = nn.Parameter(torch.randn(config.time // 2) * 0.2 * STEPS)
        self.time = nn.Sequential(
            nn.Linear(config.time, 2 * config.time), nn.SiLU(), nn.Linear(2 * config.time, config.time)
        )
        flat = chunk * action_dim
        self.first = nn.Linear(config.time + trunk.dim + flat, config.width)
        self.blocks = nn.ModuleList(block(config.width) for _ in range(config.blocks))
        self.last = nn.Linear(config.width, flat)

    def prepare(self, prefix: Prefix) -> ReadPrefix:
        """Runs the readout token through the trunk."""
        token = self.readout.expand(len(prefix.mask), -1, -1)
        hidden, _ = prefix.extend(token, "full")
        return ReadPrefix(**vars(prefix), readout=hidden.squeeze(1))

    def time_features(self, t: Float[Tensor, " b"]) -> Float[Tensor, "b f"]:
        """Cosines, then sines, of the learned frequencies."""
        angle = 2 * math.pi * t.unsqueeze(1) * self.frequencies
        return torch.cat([angle.cos(), angle.sin()], dim=1)

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, ReadPrefix) else self.prepare(prefix)
        time = self.time(self.time_features(t))
        z = self.first(torch.cat([time, known.readout, rearrange(x, "b k a -> b (k a)")], dim=1))
        for each in self.blocks:
            z = z + each(z)
        return rearrange(self.last(F.silu(z)), "b (k a) -> b k a", k=x.shape[1])


def block(width: int) -> nn.Sequential:
    """Residual branch of a block."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
    )
