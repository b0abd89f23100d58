"""The action expert of pi0 (arXiv 2410.24164): a narrow transformer beside the trunk.

It has as many layers as the trunk, and the trunk's heads, but a width of its own; attention alone joins the
two (see _joint_attention.py). Time is part of every action token.

It differs from pi0 in three things. Each action token has a learned slot embedding beside its rotary
position, so that a regression head, whose tokens all start from the same zero action, need not tell them
apart by rotation alone. It normalizes by layer norm instead of RMS norm. And it has no token for
proprioception, which is in the prefix here, as in SmolVLA.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..network import Evaluation, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix
from ._joint_attention import ExpertPrefix, JointAttention, SharedAttention, columns, matrix, norm
from ._sines import of_time
from ._step_attention import Attend, step_attention


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Width and MLP of the expert; depth, heads and their width are the trunk's. pi0's has width 1024 and mlp
    4096."""

    width: int = 96
    """Width of the residual stream."""
    mlp: int = 192
    """Hidden width of the gated MLP."""
    causal: bool = False
    """Whether each action sees only the actions before it (SmolVLA, arXiv 2506.01844); otherwise it sees all
    (pi0)."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Expert":
        """Builds the network for `trunk`.

        Raises:
            ValueError: a size is below 1, or the width is odd (the time embedding is half sines, half
                cosines).
        """
        check_sizes(self, "width", "mlp")
        return Expert(self, trunk, chunk, action_dim)


class Expert(JointAttention):
    """Network f(x, t, prefix) with one token per action, which passes through every layer of the trunk's
    cache."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__(trunk, chunk, config.causal)
        self.action_in = matrix(config.width, action_dim)
        self.time_in = matrix(config.width, config.width)
        self.slots = nn.Parameter(torch.randn(chunk, config.width))
        self.token_in = matrix(config.width, config.width)
        self.layers = nn.ModuleList([ExpertLayer(config, trunk) for _ in range(trunk.num_layers)])
        self.action_out = matrix(action_dim, config.width)
        self.action_bias = nn.Parameter(torch.zeros(action_dim))
        self.time = of_time(config.width)

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, ExpertPrefix) else self.prepare(prefix)
        # pi0 feeds the concatenation of both to one linear layer; a sum of two layers is the same function.
        inner = F.linear(x, self.action_in) + F.linear(self.time(t), self.time_in).unsqueeze(1) + self.slots
        tokens = F.linear(F.silu(inner), self.token_in).flatten(0, 1)
        for index, layer in enumerate(self.layers):
            tokens = layer(tokens, known, index)
        return F.linear(norm(tokens), self.action_out, self.action_bias).view(x.shape)

    @torch.no_grad()
    def at(self, times: Float[Tensor, " s"], prefix: Prefix) -> list[Evaluation]:
        """Functions f(., t, prefix) as from `forward`, up to rounding, in fewer kernels: time is embedded
        once for all steps, weights are looked up once (which takes a module 1 us each), and every sum is
        part of a product."""
        starts = F.linear(self.time(times), self.time_in).unsqueeze(1) + self.slots
        attention = step_attention(self.prepare(prefix), self.heads)
        layers = [
            cast(ExpertLayer, layer).step(attend)
            for layer, attend in zip(self.layers, attention, strict=True)
        ]
        action_in, token_in, action_out = columns(self.action_in, self.token_in, self.action_out)
        action_bias = self.action_bias.detach()

        def predict(x: Tensor, start: Tensor) -> Tensor:
            tokens = torch.mm(F.silu(torch.addmm(start, x.flatten(0, 1), action_in)), token_in)
            for layer in layers:
                tokens = layer(tokens)
            return torch.addmm(action_bias, norm(tokens), action_out).view(x.shape)

        return [partial(predict, start=start) for start in starts.repeat(1, len(prefix.mask), 1)]


class ExpertLayer(SharedAttention):
    """Attention over [cache, action tokens], then a gated MLP; a norm before each."""

    def __init__(self, config: Config, trunk: Trunk) -> None:
        super().__init__(config.width, trunk)
        self.gate_up = matrix(2 * config.mlp, config.width)
        self.down = matrix(config.width, config.mlp)

    def forward(self, tokens: Tensor, known: ExpertPrefix, index: int) -> Tensor:
        """Action tokens [b * k, w] after this layer, the `index`-th."""
        mixed = self.attend(F.linear(norm(tokens), self.qkv), known, index)
        tokens = tokens + F.linear(mixed, self.out)
        gate, up = F.linear(norm(tokens), self.gate_up).chunk(2, dim=-1)
        return tokens + F.linear(F.silu(gate) * up, self.down)

    def step(self, attend: Attend) -> Callable[[Tensor], Tensor]:
        """Computes the same as `forward`, for a sampler."""
        qkv, out, gate_up, down = columns(self.qkv, self.out, self.gate_up, self.down)

        def layer(tokens: Tensor) -> Tensor:
            tokens = torch.addmm(tokens, attend(torch.mm(norm(tokens), qkv)), out)
            gate, up = torch.mm(norm(tokens), gate_up).chunk(2, dim=-1)
            return torch.addmm(tokens, F.silu(gate) * up, down)

        return layer
