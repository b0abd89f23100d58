"""GR00T N1's diffusion transformer (arXiv 2503.14734; LeRobot's port of N1.7): maps for many robots round
alternating blocks that time modulates less than those of `dit`.

A block has four sublayers: attention to the prefix, MLP, attention among the actions, MLP. Time shifts and
scales what comes into the attentions, z -> (1 + scale) * norm(z) + shift, and nothing else: MLPs have a plain
norm, and nothing is gated. Not copied: dropout, the state's token beside the actions (a prefix has one), the
32 "future" tokens of N1 (from notes, unconfirmed).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..network import ActionNetwork, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix
from ._attention import AttendedPrefix, Attention, KeysValues, Memory
from ._sines import of_time
from .dit import mlp, modulate, zero_linear

DECODED = 1024
"""Hidden width of the map to actions (N1.7)."""


@dataclass(frozen=True)
class Config(NetworkConfig):
    """GR00T N1 has width 1536, 32 heads and 16 layers (from notes, unconfirmed), which are 8 blocks here."""

    width: int = 96
    blocks: int = 3
    heads: int = 4
    mlp: int = 192
    """Hidden width of the MLPs."""
    robots: int = 1
    """Kinds of robot with maps of their own, 32 in GR00T. A policy moves the first; the others belong to the
    published size."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "GrootDiT":
        """The network, sized for `trunk`.

        Raises:
            ValueError: a size is below 1, or the width odd or no multiple of the heads.
        """
        check_sizes(self, "width", "blocks", "heads", "mlp", "robots")
        return GrootDiT(self, trunk, chunk, action_dim)


class GrootDiT(ActionNetwork):
    """f(x, t, prefix): one token per action."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        width, robots = config.width, config.robots
        self.sines = of_time(width)
        self.into = RobotLinear(robots, action_dim, width)
        self.timed, self.embedded = RobotLinear(robots, 2 * width, width), RobotLinear(robots, width, width)
        self.slots = nn.Parameter(torch.randn(chunk, width))
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.prefix = nn.ModuleList(KeysValues(trunk.dim, width, config.heads) for _ in range(config.blocks))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.modulation = zero_linear(width, 2 * width)
        self.decoded = RobotLinear(robots, width, DECODED)
        self.out = RobotLinear(robots, DECODED, action_dim)
        nn.init.zeros_(self.out.weight)

    def prepare(self, prefix: Prefix) -> AttendedPrefix:
        """Keys and values of every block."""
        memories = [layer(prefix.hidden) for layer in self.prefix]
        return AttendedPrefix(**vars(prefix), memories=memories, seen=prefix.mask[:, None, None])

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, AttendedPrefix) else self.prepare(prefix)
        sines = self.sines(t)
        time = self.time(sines)
        actions = self.into(x)
        both = torch.cat([actions, sines.unsqueeze(1).expand_as(actions)], dim=-1)
        tokens = self.embedded(F.silu(self.timed(both))) + self.slots
        for block, memory in zip(self.blocks, known.memories, strict=True):
            tokens = block(tokens, time, memory, known.seen)
        shift, scale = rearrange(self.modulation(time), "b (m w) -> m b 1 w", m=2)
        return self.out(F.relu(self.decoded(modulate(tokens, shift, scale))))


class Block(nn.Module):
    """Attention to the prefix, MLP, attention among the actions, MLP."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.to_prefix, self.to_actions = Attention(width, config.heads), Attention(width, config.heads)
        self.own = KeysValues(width, width, config.heads)
        self.mlp_prefix, self.mlp_actions = mlp(width, config.mlp), mlp(width, config.mlp)
        self.modulation = zero_linear(width, 4 * width)

    def forward(
        self, tokens: Float[Tensor, "b k w"], time: Float[Tensor, "b w"], memory: Memory, seen: Tensor
    ) -> Float[Tensor, "b k w"]:
        """Action tokens after this block."""
        across, among = rearrange(self.modulation(time), "b (s m w) -> s m b 1 w", s=2, m=2)
        tokens = tokens + self.to_prefix(modulate(tokens, *across), memory, seen)
        tokens = tokens + self.mlp_prefix(normed(tokens))
        z = modulate(tokens, *among)
        tokens = tokens + self.to_actions(z, self.own(z))
        return tokens + self.mlp_actions(normed(tokens))


class RobotLinear(nn.Module):
    """A linear layer for each robot, of which the first is used."""

    def __init__(self, robots: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(robots, inputs, outputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(robots, outputs))

    def forward(self, x: Float[Tensor, "b k i"]) -> Float[Tensor, "b k o"]:
        """For the first robot."""
        return x @ self.weight[0] + self.bias[0]


def normed(tokens: Tensor) -> Tensor:
    """Normalised tokens."""
    return torch.layer_norm(tokens, tokens.shape[-1:])
