"""The convolutional network of Diffusion Policy (arXiv 2303.04137): a UNet along the time axis of the chunk.

Channels (32, 48, 64) on a chunk of 8 actions; every arrow is two residual blocks, every block is modulated
by the condition:

    steps 8   a -> 32                              32 -> a
                    | halve               double |
    steps 4        32 -> 48  ---- skip ---- 48+48 -> 32
                          | halve     double |
    steps 2              48 -> 64 -- skip -- 64+64 -> 48     with two more blocks between 64 and the skip

As published, there is no skip at full length, and modulation is scale * x + bias, not (1 + scale) * x + bias.
The condition is [embedding of time | mean of the prefix's real hidden states], where theirs has image
features in place of the prefix. A chunk whose length is no multiple of 2^(levels - 1), which is an error
there, is filled up with zeros behind its last action, and what the network says of those is dropped.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from ..network import ActionNetwork, NetworkConfig
from ..trunk import Trunk
from ..types import Prefix
from ._sines import of_time

GROUPS = 8
"""Groups of every group norm; must divide all channels."""


@dataclass(frozen=True)
class Config(NetworkConfig):
    """UNet; Diffusion Policy's has channels (256, 512, 1024) or twice that, kernel 5 and time 128."""

    channels: tuple[int, ...] = (32, 48, 64)
    """Channels of each level, from full length down; every level has half the length of the one above."""
    kernel: int = 5
    """Kernel size of a convolution [actions]."""
    time: int = 64
    """Width of the embedding of time."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "UNet1D":
        """Builds the network for `trunk`.

        Raises:
            ValueError: fewer than 2 levels, channels that are not multiples of 8, a kernel that is even or
                not positive, or a width of time that is odd or not positive.
        """
        if len(self.channels) < 2 or any(c < 1 or c % GROUPS for c in self.channels):
            raise InputError(f"channels must be two or more multiples of {GROUPS}, got {self.channels}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise InputError(f"kernel must be odd and positive, got {self.kernel}")
        if self.time < 2 or self.time % 2:
            raise InputError(f"time must be even and positive, got {self.time}")
        return UNet1D(self, trunk, chunk, action_dim)


@dataclass(kw_only=True)
class PooledPrefix(Prefix):
    """A prefix with its summary."""

    pooled: Float[Tensor, "b d"]
    """Mean of the hidden states of real tokens."""


class UNet1D(ActionNetwork):
    """Network f(x, t, prefix): convolutions over x, modulated by t and the prefix."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        channels, kernel = config.channels, config.kernel
        self.time = nn.Sequential(
            of_time(config.time),
            nn.Linear(config.time, 4 * config.time),
            nn.Mish(),
            nn.Linear(4 * config.time, config.time),
        )
        condition = config.time + trunk.dim
        self.down, self.halvings = nn.ModuleList(), nn.ModuleList()
        self.up, self.doublings = nn.ModuleList(), nn.ModuleList()
        for above, here in zip((action_dim, *channels[:-1]), channels, strict=True):
            self.down.append(Pair(above, here, kernel, condition))
        self.middle = Pair(channels[-1], channels[-1], kernel, condition)
        for above, here in zip(channels[-2::-1], channels[:0:-1], strict=True):
            self.halvings.append(nn.Conv1d(above, above, 3, stride=2, padding=1))
            self.up.append(Pair(2 * here, above, kernel, condition))
            self.doublings.append(nn.ConvTranspose1d(above, above, 4, stride=2, padding=1))
        self.last = nn.Sequential(
            *convolution(channels[0], channels[0], kernel), nn.Conv1d(channels[0], action_dim, 1)
        )

    def prepare(self, prefix: Prefix) -> PooledPrefix:
        """Computes the mean of the prefix's hidden states."""
        real = prefix.mask.unsqueeze(-1)
        pooled = prefix.hidden.masked_fill(~real, 0).sum(dim=1) / real.sum(dim=1)
        return PooledPrefix(**vars(prefix), pooled=pooled)

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, PooledPrefix) else self.prepare(prefix)
        condition = F.mish(torch.cat([self.time(t), known.pooled], dim=1))
        k, shortest = x.shape[1], 2 ** len(self.halvings)
        z = F.pad(x.mT, (0, -k % shortest))  # [b, a, k]
        skips = []
        for level, pair in enumerate(self.down):
            z = pair(z, condition)
            skips.append(z)
            if level < len(self.halvings):
                z = self.halvings[-1 - level](z)
        z = self.middle(z, condition)
        for pair, double in zip(self.up, self.doublings, strict=True):
            z = double(pair(torch.cat([z, skips.pop()], dim=1), condition))
        return self.last(z)[..., :k].mT


class Pair(nn.Module):
    """Two residual blocks; the first changes the channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, condition: int) -> None:
        super().__init__()
        self.first = Block(inputs, outputs, kernel, condition)
        self.second = Block(outputs, outputs, kernel, condition)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """[b, inputs, k] -> [b, outputs, k]."""
        return self.second(self.first(z, condition), condition)


class Block(nn.Module):
    """Convolution, modulation, convolution, with a shortcut."""

    def __init__(self, inputs: int, outputs: int, kernel: int, condition: int) -> None:
        super().__init__()
        self.before = nn.Sequential(*convolution(inputs, outputs, kernel))
        self.film = nn.Linear(condition, 2 * outputs)
        self.after = nn.Sequential(*convolution(outputs, outputs, kernel))
        self.beside = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, z: Float[Tensor, "b i k"], condition: Float[Tensor, "b c"]) -> Float[Tensor, "b o k"]:
        """Features modulated by a condition that has passed its nonlinearity."""
        scale, bias = self.film(condition).unsqueeze(-1).chunk(2, dim=1)
        return self.after(scale * self.before(z) + bias) + self.beside(z)


def convolution(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """Length-preserving convolution, group norm, Mish."""
    return [nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(GROUPS, outputs), nn.Mish()]
