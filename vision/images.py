"""Resizing of camera images: one function for the frame cache and for acting, so that both see the same.

numpy only: whoever builds a cache needs no torch.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

BYTES = 255


def resize_uint8(
    images: UInt8[np.ndarray, "*batch h w c"], size: int
) -> UInt8[np.ndarray, "*batch size size c"]:
    """Square images of side `size` by area averaging, each pixel rounded (halves upwards).

    The longer side of an image that is not square fills `size`; the rest is black, the image in the middle.
    Every sum is a whole number that the floating-point type holds exactly, so a pixel depends neither on the
    other images of the call nor on the order in which a matrix product adds.
    """
    *batch, h, w, c = images.shape
    if h == w == size:
        return images
    out_h, out_w = max(1, round(h * size / max(h, w))), max(1, round(w * size / max(h, w)))
    total = h * w
    exact = np.float32 if BYTES * total < 2**24 else np.float64
    rows = _overlaps(h, out_h).astype(exact)
    columns = np.kron(_overlaps(w, out_w), np.eye(c)).T.astype(exact)  # [w c, out_w c]
    sums = rows @ images.reshape(-1, h, w * c).astype(exact) @ columns
    pixels = np.floor((sums + total / 2) / total).reshape(*batch, out_h, out_w, c)
    if out_h == out_w:
        return pixels.astype(np.uint8)
    square = np.zeros((*batch, size, size, c), np.uint8)
    top, left = (size - out_h) // 2, (size - out_w) // 2
    square[..., top : top + out_h, left : left + out_w, :] = pixels
    return square


@lru_cache
def _overlaps(source: int, target: int) -> Float[np.ndarray, "target source"]:
    """How much of each source pixel lies in each target pixel, where a target pixel is `source` units long.

    3 -> 2: [[2, 1, 0], [0, 1, 2]].
    """
    start, end = np.arange(source) * target, np.arange(1, source + 1) * target
    left, right = np.arange(target)[:, None] * source, np.arange(1, target + 1)[:, None] * source
    return np.clip(np.minimum(end, right) - np.maximum(start, left), 0, None).astype(np.float64)
