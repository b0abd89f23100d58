"""Attention of action tokens in the steps of a sampler: what SharedAttention.attend does, up to rounding.

A step of the tiny pi0 at batch 1 is some 50 kernels of 1 to 10 us, and Python takes as long between them.
Since no gradients are wanted, all steps share memory: keys and values of the prefix are copied once, with
room behind them for those of the action tokens, which each step writes anew. Queries, keys and values are
rotated by the same two kernels (values by an angle of 0), and torch's fused attention does the rest.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ._joint_attention import ExpertPrefix

Attend = Callable[[Tensor], Tensor]
"""Projections of the action tokens [b * k, (h + 2 g) * e] -> mixed values [b * k, h * e]."""


def step_attention(known: ExpertPrefix, heads: int) -> list[Attend]:
    """Attention functions of the layers, for h = `heads` query heads; to be called in turn, without
    gradients."""
    b, g, n, e = known.keys[0].shape
    k, half = known.cos.shape[1], e // 2
    cos = F.pad(known.cos.expand(-1, -1, heads + g, -1), (0, 0, 0, g), value=1.0)  # [b, k, h + 2 g, e]
    sin = F.pad(known.sin.expand(-1, -1, heads + g, -1), (0, 0, 0, g))
    bias = known.bias.view(b, g, -1, n + k)[:, :1, :k]  # [b, 1, 1, n + k], or [b, 1, k, n + k] if causal
    turned = torch.empty_like(cos)
    queries = turned[:, :, :heads].transpose(1, 2)
    new = turned[:, :, heads:].transpose(1, 2)  # keys and values, [b, 2 g, k, e]
    seen = torch.cat([x for pair in zip(known.keys, known.values, strict=True) for x in pair], dim=1)

    def of_layer(both: Tensor) -> Attend:
        keys, values = both.chunk(2, dim=1)
        room = both[:, :, n:]

        def attend(qkv: Tensor) -> Tensor:
            qkv = qkv.view(b, k, -1, e)
            torch.addcmul(qkv * cos, qkv.roll(half, -1), sin, out=turned)
            room.copy_(new)
            mixed = F.scaled_dot_product_attention(queries, keys, values, bias, enable_gqa=True)
            return mixed.transpose(1, 2).reshape(b * k, -1)

        return attend

    return [of_layer(both) for both in F.pad(seen, (0, 0, 0, k)).split(2 * g, dim=1)]
