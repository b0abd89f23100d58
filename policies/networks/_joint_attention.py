"""Action tokens beside the trunk: as many layers as it has, each with an attention that the two share.

In layer i the k action tokens attend to the trunk's cached keys and values of layer i and to each other; the
trunk never sees them, so its pass is shared by all denoising steps and noise draws. For a prefix of 4
tokens, one of them padding, and k = 2:

    token            p p _ p  a a
    position         0 1 1 2  3 4     (padding does not advance positions)
    each a           1 1 0 1  1 1     (all it may attend to)
    first a, causal  1 1 0 1  1 0

Weights are plain parameters rather than modules, and axes are merged by view and permute rather than einops:
on 8 tokens such calls take as long as the products do. Sampling goes further, see _step_attention.py.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...common.errors import InputError
from ..network import ActionNetwork
from ..trunk import Trunk
from ..types import Prefix


@dataclass(kw_only=True)
class ExpertPrefix(Prefix):
    """A prefix with everything that follows from it alone, computed once for all evaluations."""

    cos: Tensor
    """Rotary table of the action tokens, [b, k, 1, e]."""
    sin: Tensor
    """Rotary table like `cos`, with the first half negated: rotation is x * cos + roll(x, e / 2) * sin."""
    bias: Tensor
    """0 where a key may be seen and -inf where not, [b * g, 1, n + k], or one row per query if causal."""


class JointAttention(ActionNetwork):
    """Base class of networks whose layers are `SharedAttention`s."""

    rotary_rate: Tensor

    def __init__(self, trunk: Trunk, chunk: int, causal: bool) -> None:
        """Stores the trunk's attention sizes.

        Raises:
            ValueError: the trunk's rotary rates are scaled, like Llama 3's.
        """
        super().__init__()
        if trunk.rope_type != "default":
            raise InputError(
                f"a network beside the trunk needs its plain rotary rates, valid: rope_type 'default'; the "
                f"language model has {trunk.rope_type!r}. Networks readout_mlp and mlp_resnet can do with it"
            )
        self.chunk, self.causal = chunk, causal
        self.heads, self.sharing = trunk.num_heads, trunk.num_heads // trunk.num_kv_heads
        exponents = torch.arange(0, trunk.head_dim, 2) / trunk.head_dim
        rate = trunk.rope_theta**-exponents
        self.register_buffer("rotary_rate", torch.cat([-rate, rate]), persistent=False)

    def prepare(self, prefix: Prefix) -> ExpertPrefix:
        """Computes the rotary tables and the mask of the action tokens."""
        dtype, groups = prefix.keys[0].dtype, prefix.keys[0].shape[1]
        steps = torch.arange(self.chunk, device=prefix.mask.device)
        angles = (prefix.next_position[:, None] + steps)[..., None, None] * self.rotary_rate
        bias = torch.zeros(prefix.mask.shape, dtype=dtype, device=prefix.mask.device)
        bias = F.pad(bias.masked_fill(~prefix.mask, -torch.inf), (0, self.chunk))
        bias = bias.repeat_interleave(groups, dim=0).unsqueeze(1)
        if self.causal:
            later = torch.full((self.chunk, self.chunk), -torch.inf, dtype=dtype, device=bias.device).triu(1)
            later = F.pad(later, (prefix.mask.shape[1], 0)).repeat(self.sharing, 1)  # query rows: see attend
            bias = bias + later
        return ExpertPrefix(
            **vars(prefix),
            cos=angles.cos().to(dtype),
            sin=angles.sin().to(dtype),
            bias=bias,
        )


class SharedAttention(nn.Module):
    """Base class of layers of any width; the heads and their width are the trunk's."""

    def __init__(self, width: int, trunk: Trunk) -> None:
        super().__init__()
        self.heads, self.groups, self.head_dim = trunk.num_heads, trunk.num_kv_heads, trunk.head_dim
        self.qkv = matrix((self.heads + 2 * self.groups) * self.head_dim, width)
        self.out = matrix(width, self.heads * self.head_dim)

    def attend(self, qkv: Tensor, known: ExpertPrefix, index: int) -> Tensor:
        """Values mixed by the attention of layer `index`, [b * k, h * e], for projections
        [b * k, (h + 2 g) * e].

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
        keys = torch.cat([known.keys[index], new_keys.transpose(1, 2)], dim=2).flatten(0, 1)
        values = torch.cat([known.values[index], new_values.transpose(1, 2)], dim=2).flatten(0, 1)
        scores = torch.baddbmm(known.bias, queries, keys.mT, alpha=e**-0.5)
        mixed = scores.softmax(dim=-1) @ values
        return mixed.view(b, g, h // g, k, e).permute(0, 3, 1, 2, 4).reshape(b * k, h * e)


def matrix(outputs: int, inputs: int) -> nn.Parameter:
    """Weights of a linear map that preserves the scale of its inputs up to a factor 1 / sqrt(3), like
    nn.Linear."""
    return nn.Parameter(torch.empty(outputs, inputs).uniform_(-1, 1) / inputs**0.5)


def columns(*weights: Tensor) -> list[Tensor]:
    """Transposes weights [outputs, inputs] to [inputs, outputs], for products without gradients."""
    return [weight.detach().T for weight in weights]


def norm(tokens: Tensor) -> Tensor:
    """Normalizes each token to mean 0 and variance 1: one fused kernel on a CPU, where an RMS norm takes
    several. It has no gains of its own, which the linear layers after it would absorb."""
    return torch.layer_norm(tokens, tokens.shape[-1:])
