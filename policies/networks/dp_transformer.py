"""The transformer of Diffusion Policy (arXiv 2303.04137): a causal decoder over the noisy actions.

Action i sees the actions up to itself, and the condition: one token for time, then the prefix. For k = 3:

    action   sees   time   prefix   0 1 2
    0                1       1      1 0 0
    1                1       1      1 1 0
    2                1       1      1 1 1

Layers are those of minGPT with attention to the condition in between: a norm before each sublayer, GELU.
The condition tokens pass through one MLP (Linear, Mish, Linear) before they are attended to. Two things
differ: there, action i sees the observations of its own step and earlier, while here all of the prefix
lies before the chunk; and there the condition's positions are learned, here they are sines, since the
prefix's length is not known when the network is built. No dropout (0.3 in attention there).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..network import ActionNetwork, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix
from ._attention import AttendedPrefix, Attention, KeysValues, Memory
from ._sines import of_position, of_time


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Diffusion Policy's transformer has width 256, 8 layers, 4 heads and mlp 1024."""

    width: int = 96
    layers: int = 3
    heads: int = 4
    mlp: int = 192
    """Hidden width of the MLPs."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "DPTransformer":
        """Builds the network for `trunk`.

        Raises:
            ValueError: a size is below 1, or the width is odd or not a multiple of the heads.
        """
        check_sizes(self, "width", "layers", "heads", "mlp")
        return DPTransformer(self, trunk, chunk, action_dim)


class DPTransformer(ActionNetwork):
    """Network f(x, t, prefix) with one token per action."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        width = config.width
        self.action_in = nn.Linear(action_dim, width)
        self.slots = nn.Parameter(torch.randn(chunk, width))
        self.time = of_time(width)
        self.time_slot = nn.Parameter(torch.randn(width))
        self.prefix_in = nn.Linear(trunk.dim, width)
        self.prefix_position = of_position(width)
        self.condition = nn.Sequential(nn.Linear(width, config.mlp), nn.Mish(), nn.Linear(config.mlp, width))
        self.memory = nn.ModuleList(KeysValues(width, width, config.heads) for _ in range(config.layers))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.action_out = nn.Linear(width, action_dim)

    def prepare(self, prefix: Prefix) -> AttendedPrefix:
        """Computes the keys and values of every layer, except those of time."""
        tokens = self.prefix_in(prefix.hidden) + self.prefix_position(prefix.positions)
        tokens = self.condition(tokens)
        memories = [layer(tokens) for layer in self.memory]
        seen = torch.cat([prefix.mask.new_ones(len(prefix.mask), 1), prefix.mask], dim=1)
        return AttendedPrefix(**vars(prefix), memories=memories, seen=seen[:, None, None])

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, AttendedPrefix) else self.prepare(prefix)
        time = self.condition(self.time(t) + self.time_slot).unsqueeze(1)
        tokens = self.action_in(x) + self.slots
        for layer, memory_of, memory in zip(self.layers, self.memory, known.memories, strict=True):
            both = Memory(*(torch.cat(pair, dim=2) for pair in zip(memory_of(time), memory, strict=True)))
            tokens = layer(tokens, both, known.seen)
        return self.action_out(self.norm(tokens))


class Layer(nn.Module):
    """Causal attention, attention to the condition, MLP; a norm before each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.own = KeysValues(width, width, config.heads)
        self.to_earlier, self.to_condition = Attention(width, config.heads), Attention(width, config.heads)
        self.mlp = nn.Sequential(nn.Linear(width, config.mlp), nn.GELU(), nn.Linear(config.mlp, width))
        self.norm_earlier, self.norm_condition = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)

    def forward(
        self, tokens: Float[Tensor, "b k w"], condition: Memory, seen: Tensor | None
    ) -> Float[Tensor, "b k w"]:
        """Tokens after this layer."""
        k = tokens.shape[1]
        earlier = torch.ones(k, k, dtype=torch.bool, device=tokens.device).tril()[None, None]
        normed = self.norm_earlier(tokens)
        tokens = tokens + self.to_earlier(normed, self.own(normed), earlier)
        tokens = tokens + self.to_condition(self.norm_condition(tokens), condition, seen)
        return tokens + self.mlp(self.norm_mlp(tokens))
