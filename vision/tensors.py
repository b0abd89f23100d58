"""Camera images as tensors: scaling, and the random shift of training."""

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor


def to_float(images: UInt8[Tensor, "b v h w c"]) -> Float[Tensor, "b v c h w"]:
    """Pixels 0..255 scaled to [-1, 1]."""
    return rearrange(images, "b v h w c -> b v c h w").float() / 127.5 - 1


def random_shift(
    images: UInt8[Tensor, "b v h w c"], generator: torch.Generator, pixels: int = 4
) -> tuple[UInt8[Tensor, "b v h w c"], Float[Tensor, "b v 2"]]:
    """Each image moved right and down by its own whole numbers in [-pixels, pixels], its edge repeated.

    Random shifts as in DrQ (arXiv 2004.13649), but drawn for each view alone.

    Returns:
        The moved images, and how far what they show moved (right, down) as a fraction of their side.
    """
    b, v, h, w, _ = images.shape
    draw = torch.randint(-pixels, pixels + 1, (2, b * v), generator=generator, device=generator.device)
    right, down = draw.to(images.device)
    rows = (torch.arange(h, device=images.device) - down[:, None]).clamp(0, h - 1)  # [b v, h]
    columns = (torch.arange(w, device=images.device) - right[:, None]).clamp(0, w - 1)
    flat = rearrange(images, "b v h w c -> (b v) h w c")
    image = torch.arange(b * v, device=images.device)[:, None, None]
    moved = flat[image, rows[:, :, None], columns[:, None, :]]
    offset = torch.stack([right / w, down / h], dim=-1)
    return rearrange(moved, "(b v) h w c -> b v h w c", b=b), rearrange(offset, "(b v) two -> b v two", b=b)
