"""A linear map that keeps the scale of what passes through it, so that parts fit together at the start."""

from torch import nn


def scaled_linear(inputs: int, outputs: int, scale: float = 1.0) -> nn.Linear:
    """A linear map under which inputs of unit scale arrive at `scale` (root mean square); its bias is 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=scale / inputs**0.5)
    nn.init.zeros_(layer.bias)
    return layer
