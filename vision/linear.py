"""A linear map that preserves the scale of its inputs, so that modules fit together at initialization."""

from torch import nn


def scaled_linear(inputs: int, outputs: int, scale: float = 1.0) -> nn.Linear:
    """A linear map that brings inputs of unit scale to `scale` (root mean square); its bias is 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=scale / inputs**0.5)
    nn.init.zeros_(layer.bias)
    return layer
