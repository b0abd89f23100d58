"""Resizing of camera images, by one function for the frame cache and for inference, so that both see the
same.

numpy only: building a cache needs no torch.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8

BYTES = 255


def resize_uint8(
    images: UInt8[np.ndarray, "*batch h w c"], size: int
) -> UInt8[np.ndarray, "*batch size size c"]:
    """Square images of side length `size` by area averaging, with pixels rounded half up.

    The longer side of a non-square image fills `size`; the rest is black, and the image is centered. Every
    sum is a whole number that the floating-point type represents exactly, so a pixel does not depend on the
    order of additions. The sums are not written as a matrix product: for matrices this small, numpy's threads
    take hundreds of times as long when they share the cores with another process.
    """
    *batch, h, w, c = images.shape
    if h == w == size:
        return images
    out_h, out_w = max(1, round(h * size / max(h, w))), max(1, round(w * size / max(h, w)))
    total = h * w
    exact = np.float32 if BYTES * total < 2**24 else np.float64
    rows = _summed(images.reshape(-1, h, w * c), out_h, exact)
    columns = _summed(rows.reshape(-1, w, c), out_w, exact)
    pixels = np.floor((columns + exact(total / 2)) / exact(total)).reshape(*batch, out_h, out_w, c)
    if out_h == out_w:
        return pixels.astype(np.uint8)
    square = np.zeros((*batch, size, size, c), np.uint8)
    top, left = (size - out_h) // 2, (size - out_w) // 2
    square[..., top : top + out_h, left : left + out_w, :] = pixels
    return square


def _summed(lines: np.ndarray, target: int, exact: type) -> np.ndarray:
    """[n, source, m] -> [n, target, m]: the sum of the source lines in each target line, weighted by
    overlap."""
    sums = np.zeros((len(lines), target, lines.shape[2]), exact)
    for index, weights in _overlaps(lines.shape[1], target):
        sums += lines[:, index] * weights.astype(exact)
    return sums


@lru_cache
def _overlaps(
    source: int, target: int
) -> list[tuple[Int[np.ndarray, " target"], Float[np.ndarray, "target 1"]]]:
    """Source lines that overlap each target line (`source` units long), as pairs of an index and an overlap;
    one pair per step until all source lines are covered.

    3 -> 2: [([0, 1], [2, 1]), ([1, 2], [1, 2])].
    """
    start, end = np.arange(source) * target, np.arange(1, source + 1) * target
    left, right = np.arange(target)[:, None] * source, np.arange(1, target + 1)[:, None] * source
    amount = np.clip(np.minimum(end, right) - np.maximum(start, left), 0, None).astype(np.float64)
    most = (amount > 0).sum(axis=1).max()
    index = np.minimum((amount > 0).argmax(axis=1), source - most)
    return [(index + i, amount[np.arange(target), index + i, None]) for i in range(most)]
