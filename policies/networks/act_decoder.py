"""The decoder of ACT (arXiv 2304.13705), which is DETR's: one learned query per action of the chunk.

Queries start empty and say where they belong by an embedding that is added wherever they ask or are asked
for, not to what they say. Each layer lets them attend to each other, then to the observation, then passes
them through an MLP, with a norm after each ("post-norm").

    query i, empty      attends to queries       attends to the prefix            MLP
    0 + slot i     ->   keys, queries + slots -> keys + sines of their position -> ... -> norm -> action i

ACT itself has no noisy chunk and no time: with x = 0 the queries are empty as there, and time is one more
vector in the slots. Its published code reads the output of the first of its 7 layers, `decoder(...)[0]`, so
that 6 are never trained (github.com/tonyzhaozh/act issues 25 and 52); here all layers count, and `layers` 1
is what was published. No dropout (0.1 there).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..network import ActionNetwork, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix
from ._attention import AttendedPrefix, Attention, KeysValues, Memory
from ._sines import of_position, of_time


@dataclass(frozen=True)
class Config(NetworkConfig):
    """ACT's decoder has width 512, 8 heads and mlp 3200."""

    width: int = 96
    layers: int = 3
    heads: int = 4
    mlp: int = 192
    """Hidden width of the MLPs."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "ActDecoder":
        """Builds the network for `trunk`.

        Raises:
            ValueError: a size is below 1, or the width is odd or not a multiple of the heads.
        """
        check_sizes(self, "width", "layers", "heads", "mlp")
        return ActDecoder(self, trunk, chunk, action_dim)


class ActDecoder(ActionNetwork):
    """Network f(x, t, prefix) with one query per action."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        width = config.width
        self.action_in = nn.Linear(action_dim, width, bias=False)
        self.slots = nn.Parameter(torch.randn(chunk, width))
        self.time = nn.Sequential(of_time(width), nn.Linear(width, width))
        self.prefix_in = nn.Linear(trunk.dim, width)
        self.prefix_position = of_position(width)
        self.prefix = nn.ModuleList(KeysValues(width, width, config.heads) for _ in range(config.layers))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.action_out = nn.Linear(width, action_dim)

    def prepare(self, prefix: Prefix) -> AttendedPrefix:
        """Computes the keys and values of every layer."""
        tokens = self.prefix_in(prefix.hidden)
        placed = tokens + self.prefix_position(prefix.positions)
        memories = [layer(tokens, placed) for layer in self.prefix]
        return AttendedPrefix(**vars(prefix), memories=memories, seen=prefix.mask[:, None, None])

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, AttendedPrefix) else self.prepare(prefix)
        slots = self.slots + self.time(t).unsqueeze(1)
        queries = self.action_in(x)
        for layer, memory in zip(self.layers, known.memories, strict=True):
            queries = layer(queries, slots, memory, known.seen)
        return self.action_out(self.norm(queries))


class Layer(nn.Module):
    """Attention among the queries, attention to the prefix, MLP; a norm after each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.own = KeysValues(width, width, config.heads)
        self.to_queries, self.to_prefix = Attention(width, config.heads), Attention(width, config.heads)
        self.up, self.down = nn.Linear(width, config.mlp), nn.Linear(config.mlp, width)
        self.norm_queries, self.norm_prefix = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)

    def forward(
        self,
        queries: Float[Tensor, "b k w"],
        slots: Float[Tensor, "#b k w"],
        memory: Memory,
        seen: Tensor | None,
    ) -> Float[Tensor, "b k w"]:
        """Queries after this layer."""
        placed = queries + slots
        queries = self.norm_queries(queries + self.to_queries(placed, self.own(queries, placed)))
        queries = self.norm_prefix(queries + self.to_prefix(queries + slots, memory, seen))
        return self.norm_mlp(queries + self.down(F.relu(self.up(queries))))
