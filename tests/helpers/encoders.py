"""Encoders with known weights, and images for them."""

import torch

from vlasandbox.vision.encoder import EncoderConfig, VisionEncoder


def seeded(config: EncoderConfig, condition_dim: int | None, seed: int = 0) -> VisionEncoder:
    torch.manual_seed(seed)
    return config.build(condition_dim)


def pixels(encoder: VisionEncoder, b: int = 2, v: int = 2) -> torch.Tensor:
    shape = (b, v, 3, encoder.image_size, encoder.image_size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
