"""Diffusion transformer: action tokens modulated by time that look at the prefix's last hidden states.

Blocks are those of DiT (arXiv 2212.09748, adaLN-Zero) with cross-attention. Of each sublayer f, time gives
shift, scale and gate, which start at zero, and x becomes

    x + gate * f((1 + scale) * norm(x) + shift)

so that every block starts as the identity, and the whole network, whose last layer starts at zero too, as
zero. GR00T N1 (arXiv 2503.14734) has an MLP behind each of the two attentions, the one to the prefix first
(`attention` "alternate"); `groot_dit` follows it further, in what time modulates and in its maps of actions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..network import ActionNetwork, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix
from ._attention import AttendedPrefix, Attention, KeysValues, Memory
from ._sines import of_time


@dataclass(frozen=True)
class Config(NetworkConfig):
    """DiT-S has width 384, 12 blocks and 6 heads."""

    width: int = 96
    blocks: int = 3
    heads: int = 4
    mlp: int = 192
    """Hidden width of the MLPs."""
    attention: Literal["both", "alternate"] = "both"
    """Order of sublayers in a block: attention among the actions, attention to the prefix, MLP; or attention
    to the prefix, MLP, attention among the actions, MLP."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "DiT":
        """Builds the network for `trunk`.

        Raises:
            ValueError: a size is below 1, or the width is odd or not a multiple of the heads.
        """
        check_sizes(self, "width", "blocks", "heads", "mlp")
        return DiT(self, trunk, chunk, action_dim)


class DiT(ActionNetwork):
    """Network f(x, t, prefix) with one token per action."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        width = config.width
        self.action_in: nn.Module = nn.Linear(action_dim, width)
        self.slots = nn.Parameter(torch.randn(chunk, width))
        self.time = nn.Sequential(
            of_time(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.prefix = nn.ModuleList(KeysValues(trunk.dim, width, config.heads) for _ in range(config.blocks))
        self.blocks = nn.ModuleList(self.block(config) for _ in range(config.blocks))
        self.modulation = zero_linear(width, 2 * width)
        self.action_out: nn.Module = zero_linear(width, action_dim)

    def block(self, config: Config) -> "Block":
        """Builds one block."""
        return {"both": Block, "alternate": AlternatingBlock}[config.attention](config)

    def embed(self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"]) -> Float[Tensor, "b k w"]:
        """Tokens of the actions."""
        return self.action_in(x)

    def prepare(self, prefix: Prefix) -> AttendedPrefix:
        """Computes the keys and values of every block."""
        memories = [layer(prefix.hidden) for layer in self.prefix]
        return AttendedPrefix(**vars(prefix), memories=memories, seen=prefix.mask[:, None, None])

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, AttendedPrefix) else self.prepare(prefix)
        time = self.time(t)
        tokens = self.embed(x, t) + self.slots
        for block, memory in zip(self.blocks, known.memories, strict=True):
            tokens = block(tokens, time, memory, known.seen)
        shift, scale = rearrange(self.modulation(time), "b (m w) -> m b 1 w", m=2)
        return self.action_out(modulate(tokens, shift, scale))


class Block(nn.Module):
    """Attention among the actions, attention to the prefix, MLP."""

    changes = 9
    """Number of modulation vectors per block: shift, scale and gate of each sublayer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.own = KeysValues(width, width, config.heads)
        self.to_actions, self.to_prefix = Attention(width, config.heads), Attention(width, config.heads)
        self.mlp = mlp(width, config.mlp)
        self.modulation = zero_linear(width, self.changes * width)

    def forward(
        self, tokens: Float[Tensor, "b k w"], time: Float[Tensor, "b w"], memory: Memory, seen: Tensor
    ) -> Float[Tensor, "b k w"]:
        """Action tokens after this block."""
        changes = rearrange(self.modulation(time), "b (s m w) -> s m b 1 w", m=3, w=time.shape[1])
        for sublayer, (shift, scale, gate) in zip(self.sublayers(memory, seen), changes, strict=True):
            tokens = torch.addcmul(tokens, gate, sublayer(modulate(tokens, shift, scale)))
        return tokens

    def sublayers(self, memory: Memory, seen: Tensor) -> list[Callable[[Tensor], Tensor]]:
        """Sublayers in the order in which they are applied."""
        return [self.among, lambda z: self.to_prefix(z, memory, seen), self.mlp]

    def among(self, z: Tensor) -> Tensor:
        """Attention among the actions."""
        return self.to_actions(z, self.own(z))


class AlternatingBlock(Block):
    """Attention to the prefix, MLP, attention among the actions, MLP."""

    changes = 12

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mlp_actions = mlp(config.width, config.mlp)

    def sublayers(self, memory: Memory, seen: Tensor) -> list[Callable[[Tensor], Tensor]]:
        """Sublayers in the order in which they are applied."""
        return [lambda z: self.to_prefix(z, memory, seen), self.mlp, self.among, self.mlp_actions]


def mlp(width: int, hidden: int) -> nn.Sequential:
    """MLP of DiT."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))


def normed(tokens: Tensor) -> Tensor:
    """Normalized tokens."""
    return torch.layer_norm(tokens, tokens.shape[-1:])


def modulate(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalized tokens, shifted and scaled."""
    return torch.addcmul(shift, normed(tokens), 1 + scale)


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that is initialized to zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
