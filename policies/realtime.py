"""Real-time chunking (arXiv 2506.07339): guides the next chunk toward the remainder of the previous one.

The policy is asked every s control steps and answers d steps late; of its previous chunk of k actions,
shifted so that index 0 is the action due now, k - s are left. The first d will be executed whatever comes,
so the new chunk must agree with them fully; with the following ones less and less; and beyond there are none.

    k = 10, d = 2, s = 4      index    0  1  2    3    4    5    6  7  8  9
                              weight   1  1  .57  .29  .11  .03  0  0  0  0

Formulas and constants are those of the authors' simulation code (real-time-chunking-kinetix).
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..common.errors import InputError
from .types import Prefix

LIMIT = 5.0
"""Largest factor of the pull toward the previous chunk."""


def overlap_weights(chunk: int, frozen: int, overlap: int) -> Float[Tensor, " k"]:
    """Weights of the previous chunk's actions: 1, then falling exponentially, then 0.

    Args:
        chunk: length of a chunk (k).
        frozen: number of actions that are executed before the new chunk can arrive (d).
        overlap: number of actions left of the previous chunk (k - s).

    Raises:
        ValueError: not 0 <= frozen <= overlap <= chunk.
    """
    if not 0 <= frozen <= overlap <= chunk:
        raise InputError(
            f"frozen and overlap must be in order between 0 and the chunk length {chunk}, got {frozen} and "
            f"{overlap}"
        )
    linear = ((overlap - torch.arange(chunk)) / (overlap - frozen + 1)).clamp(0, 1)
    return linear * linear.expm1() / torch.tensor(1.0).expm1()


def guidance(t: float, limit: float) -> float:
    """Factor of the pull at time t (0 noise, 1 data): (1 - t) / t / r^2 with r^2 = (1 - t)^2 / (t^2 + (1 -
    t)^2), at most `limit`."""
    return min(limit, (t**2 + (1 - t) ** 2) / (t * (1 - t))) if t > 0 else limit


def own_copy(prefix: Prefix) -> Prefix:
    """Copies the prefix into tensors that autograd accepts, since it rejects those made in inference mode."""
    images = prefix.image_tokens
    return replace(
        prefix,
        hidden=prefix.hidden.detach().clone(),
        mask=prefix.mask.clone(),
        positions=prefix.positions.clone(),
        keys=[x.detach().clone() for x in prefix.keys],
        values=[x.detach().clone() for x in prefix.values],
        image_tokens=None if images is None else images.detach().clone(),
    )
