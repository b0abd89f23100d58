"""The action expert of pi0 (arXiv 2410.24164): a narrow transformer beside the trunk.

It has as many layers as the trunk, and the trunk's heads, but a width of its own; attention alone joins the
two. In layer i its k action tokens attend to the trunk's cached keys and values of layer i and to each other,
in both directions; the trunk never sees them, so its pass is shared by all denoising steps and noise draws.
For a prefix of 4 tokens, one of them padding, and k = 2:

    token      p p _ p  a a
    position   0 1 1 2  3 4     (padding does not advance positions)
    each a     1 1 0 1  1 1     (all it may attend to)

It differs from pi0 in two things. Each action token has a learned slot embedding beside its rotary
position, so that a regression head, whose tokens all start from the same zero action, need not tell them
apart by rotation alone. And it normalises by layer norm, one fused kernel on a CPU where an RMS norm is
several; the norms have no gains of their own, which the linear layers after them would absorb.

At batch 1 a denoising step is some 80 kernels of 1 to 10 us on 8 tokens, so what surrounds the kernels
counts: weights are plain parameters rather than modules, axes are merged by view and permute rather than
einops, and all that depends on the prefix alone is done in `prepare`, once per chunk.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..network import ActionNetwork, NetworkConfig
from ..trunk import Trunk
from ..types import Prefix

SHORTEST, LONGEST = 4e-3, 4.0
"""Periods of the time embedding, in units of the whole way from noise to data (pi0's)."""


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Depth, heads and their width are the trunk's."""

    width: int = 96
    """Width of the residual stream."""
    mlp: int = 192
    """Hidden width of the gated MLP."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Expert":
        """The network, sized for `trunk`.

        Raises:
            ValueError: `width` is not a positive even number (the time embedding is half sines, half
                cosines), or `mlp` is below 1.
        """
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width must be even and positive, got {self.width}")
        if self.mlp < 1:
            raise ValueError(f"mlp must be at least 1, got {self.mlp}")
        return Expert(self, trunk, chunk, action_dim)


class LayerCache(NamedTuple):
    """Keys and values of one layer with room for the action tokens behind the prefix's, written anew by
    each step.

    Only for sampling: under autograd the steps must not share memory.
    """

    keys: Tensor
    """[b * g, n + k, e]."""
    values: Tensor
    """[b * g, n + k, e]."""
    new_keys: Tensor
    """The room in `keys`, as [b, k, g, e]."""
    new_values: Tensor
    """The room in `values`, as [b, k, g, e]."""


@dataclass(kw_only=True)
class ExpertPrefix(Prefix):
    """A prefix and what follows from it alone, made once for all evaluations on it."""

    cos: Tensor
    """Rotary table of the action tokens, [b, k, 1, e]."""
    sin: Tensor
    """Same, with the first half negated: rotation is x * cos + roll(x, e / 2) * sin."""
    bias: Tensor
    """0 where a key may be seen and -inf where it is padding, [b * g, 1, n + k]."""
    caches: list[LayerCache] | None
    """One per layer, or None if gradients are wanted."""


class Expert(ActionNetwork):
    """f(x, t, prefix): one token per action, through every layer of the trunk's cache."""

    time_rate: Tensor
    time_phase: Tensor
    rotary_rate: Tensor

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__()
        self.chunk = chunk
        self.action_in = matrix(config.width, action_dim)
        self.time_in = matrix(config.width, config.width)
        self.slots = nn.Parameter(torch.randn(chunk, config.width))
        self.token_in = matrix(config.width, config.width)
        self.layers = nn.ModuleList([ExpertLayer(config, trunk) for _ in range(trunk.num_layers)])
        self.action_out = matrix(action_dim, config.width)
        self.action_bias = nn.Parameter(torch.zeros(action_dim))

        half = config.width // 2
        periods = SHORTEST * (LONGEST / SHORTEST) ** torch.linspace(0, 1, half)
        self.register_buffer("time_rate", (2 * math.pi / periods).repeat(2), persistent=False)
        phase = torch.cat([torch.zeros(half), torch.full((half,), math.pi / 2)])  # sines, then cosines
        self.register_buffer("time_phase", phase, persistent=False)
        exponents = torch.arange(0, trunk.head_dim, 2) / trunk.head_dim
        self.register_buffer("rotary_rate", trunk.rope_theta**-exponents, persistent=False)

    def prepare(self, prefix: Prefix) -> ExpertPrefix:
        """Rotary tables and mask of the action tokens; with gradients off, also the caches."""
        dtype, groups = prefix.keys[0].dtype, prefix.keys[0].shape[1]
        steps = torch.arange(self.chunk, device=prefix.mask.device)
        angles = (prefix.next_position[:, None] + steps)[..., None, None] * self.rotary_rate
        cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
        bias = torch.zeros(prefix.mask.shape, dtype=dtype, device=prefix.mask.device)
        bias = F.pad(bias.masked_fill(~prefix.mask, -torch.inf), (0, self.chunk))
        return ExpertPrefix(
            **vars(prefix),
            cos=torch.cat([cos, cos], dim=-1),
            sin=torch.cat([-sin, sin], dim=-1),
            bias=bias.repeat_interleave(groups, dim=0).unsqueeze(1),
            caches=None if torch.is_grad_enabled() else self._caches(prefix),
        )

    def _caches(self, prefix: Prefix) -> list[LayerCache]:
        n = prefix.mask.shape[1]
        caches = []
        for pair in zip(prefix.keys, prefix.values, strict=True):
            keys, values = (F.pad(x, (0, 0, 0, self.chunk)) for x in pair)
            new_keys, new_values = (x[:, :, n:].transpose(1, 2) for x in (keys, values))
            caches.append(LayerCache(keys.flatten(0, 1), values.flatten(0, 1), new_keys, new_values))
        return caches

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, ExpertPrefix) else self.prepare(prefix)
        time = torch.addcmul(self.time_phase, t.unsqueeze(1), self.time_rate).sin()
        # pi0 feeds the concatenation of both to one linear layer; a sum of two layers is the same function.
        inner = F.linear(x, self.action_in) + F.linear(time, self.time_in).unsqueeze(1) + self.slots
        tokens = F.linear(F.silu(inner), self.token_in).flatten(0, 1)
        for index, layer in enumerate(self.layers):
            tokens = layer(tokens, known, index)
        return F.linear(norm(tokens), self.action_out, self.action_bias).view(x.shape)


class ExpertLayer(nn.Module):
    """Attention over [cache, action tokens], then a gated MLP; a norm before each."""

    def __init__(self, config: Config, trunk: Trunk) -> None:
        super().__init__()
        self.heads, self.groups, self.head_dim = trunk.num_heads, trunk.num_kv_heads, trunk.head_dim
        self.qkv = matrix((self.heads + 2 * self.groups) * self.head_dim, config.width)
        self.out = matrix(config.width, self.heads * self.head_dim)
        self.gate_up = matrix(2 * config.mlp, config.width)
        self.down = matrix(config.width, config.mlp)

    def forward(self, tokens: Tensor, known: ExpertPrefix, index: int) -> Tensor:
        """Action tokens [b * k, w] after this layer, the `index`-th."""
        mixed = self.attend(F.linear(norm(tokens), self.qkv), known, index)
        tokens = tokens + F.linear(mixed, self.out)
        gate, up = F.linear(norm(tokens), self.gate_up).chunk(2, dim=-1)
        return tokens + F.linear(F.silu(gate) * up, self.down)

    def attend(self, qkv: Tensor, known: ExpertPrefix, index: int) -> Tensor:
        """Values mixed by attention, [b * k, h * e], for projections [b * k, (h + 2 g) * e].

        The r = h / g query heads that share a key head become r times as many query rows of it, so that
        keys are never copied per head.
        """
        b, k = known.cos.shape[:2]
        h, g, e = self.heads, self.groups, self.head_dim
        qkv = qkv.view(b, k, h + 2 * g, e)
        turned = qkv[:, :, : h + g]
        turned = torch.addcmul(turned * known.cos, turned.roll(e // 2, dims=-1), known.sin)
        queries = turned[:, :, :h].view(b, k, g, h // g, e).permute(0, 2, 3, 1, 4).reshape(b * g, -1, e)
        new_keys, new_values = turned[:, :, h:], qkv[:, :, h + g :]
        if known.caches is None:
            keys = torch.cat([known.keys[index], new_keys.transpose(1, 2)], dim=2).flatten(0, 1)
            values = torch.cat([known.values[index], new_values.transpose(1, 2)], dim=2).flatten(0, 1)
        else:
            keys, values = known.caches[index][:2]
            known.caches[index].new_keys.copy_(new_keys)
            known.caches[index].new_values.copy_(new_values)
        scores = torch.baddbmm(known.bias, queries, keys.mT, alpha=e**-0.5)
        mixed = scores.softmax(dim=-1) @ values
        return mixed.view(b, g, h // g, k, e).permute(0, 3, 1, 2, 4).reshape(b * k, h * e)


def matrix(outputs: int, inputs: int) -> nn.Parameter:
    """Weights of a linear map that keeps the scale of its inputs up to a factor 1 / sqrt(3), as
    nn.Linear's."""
    return nn.Parameter(torch.empty(outputs, inputs).uniform_(-1, 1) / inputs**0.5)


def norm(tokens: Tensor) -> Tensor:
    """Each token with mean 0 and variance 1."""
    return torch.layer_norm(tokens, tokens.shape[-1:])
