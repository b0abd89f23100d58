"""GR00T N1's diffusion transformer (arXiv 2503.14734; LeRobot's port of N1.7): maps for many robots round
alternating blocks that time modulates less than those of `dit`.

Time shifts and scales what comes into the attentions, z -> (1 + scale) * norm(z) + shift, and nothing else:
MLPs have a plain norm, and nothing is gated. Not copied: dropout, the state's token beside the actions (a
prefix has one), the 32 "future" tokens of N1 (from notes, unconfirmed).
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..network import check_sizes
from ..trunk import Trunk
from . import dit
from ._attention import Memory
from ._sines import of_time

DECODED = 1024
"""Hidden width of the map to actions (N1.7)."""


@dataclass(frozen=True)
class Config(dit.Config):
    """GR00T N1's has width 1536, 32 heads and 16 layers (from notes, unconfirmed), which are 8 blocks
    here."""

    attention: Literal["alternate"] = "alternate"
    robots: int = 1
    """Kinds of robots with maps of their own; 32 in GR00T. A policy uses the first; the others belong to the
    published size."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "GrootDiT":
        """Builds the network; see `dit.Config.build`."""
        check_sizes(self, "width", "blocks", "heads", "mlp", "robots")
        return GrootDiT(self, trunk, chunk, action_dim)


class GrootDiT(dit.DiT):
    """Network f(x, t, prefix) with one token per action."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__(config, trunk, chunk, action_dim)
        width, robots = config.width, config.robots
        self.action_in = ActionsIn(robots, action_dim, width)
        last = RobotLinear(robots, DECODED, action_dim)
        nn.init.zeros_(last.weight)
        self.action_out = nn.Sequential(RobotLinear(robots, width, DECODED), nn.ReLU(), last)

    def block(self, config: dit.Config) -> "Block":
        """Builds one block."""
        return Block(config)

    def embed(self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"]) -> Float[Tensor, "b k w"]:
        """Tokens of the actions, including the time."""
        return self.action_in(x, t)


class Block(dit.AlternatingBlock):
    """Attention to the prefix, MLP, attention among the actions, MLP."""

    changes = 4

    def forward(
        self, tokens: Float[Tensor, "b k w"], time: Float[Tensor, "b w"], memory: Memory, seen: Tensor
    ) -> Float[Tensor, "b k w"]:
        """Action tokens after this block."""
        across, among = rearrange(self.modulation(time), "b (s m w) -> s m b 1 w", s=2, m=2)
        tokens = tokens + self.to_prefix(dit.modulate(tokens, *across), memory, seen)
        tokens = tokens + self.mlp(dit.normed(tokens))
        tokens = tokens + self.among(dit.modulate(tokens, *among))
        return tokens + self.mlp_actions(dit.normed(tokens))


class ActionsIn(nn.Module):
    """Maps actions and time to tokens by one robot's MLP."""

    def __init__(self, robots: int, action_dim: int, width: int) -> None:
        super().__init__()
        self.sines = of_time(width)
        self.actions = RobotLinear(robots, action_dim, width)
        self.timed, self.out = RobotLinear(robots, 2 * width, width), RobotLinear(robots, width, width)

    def forward(self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"]) -> Float[Tensor, "b k w"]:
        """One token per action."""
        actions = self.actions(x)
        times = self.sines(t).unsqueeze(1).expand_as(actions)
        return self.out(F.silu(self.timed(torch.cat([actions, times], dim=-1))))


class RobotLinear(nn.Module):
    """A linear layer per robot, of which the first is used."""

    def __init__(self, robots: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(robots, inputs, outputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(robots, outputs))

    def forward(self, x: Float[Tensor, "b k i"]) -> Float[Tensor, "b k o"]:
        """Applies the first robot's layer."""
        return x @ self.weight[0] + self.bias[0]
