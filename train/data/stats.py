"""Statistics as LeRobot keeps them: one block per episode, merged to one per dataset."""

from typing import Any

import numpy as np
from jaxtyping import UInt8

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

Stats = dict[str, np.ndarray]
"""min, max, mean, std and the quantiles (float64), and count (int64 [1])."""


def vector_stats(values: np.ndarray) -> Stats:
    """Statistics over the frames of one feature, [t] or [t, d] of any number type; results are [1] or [d]."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    stats = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    stats |= dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))
    return stats | {"count": np.array([len(rows)])}


def image_stats(frames: UInt8[np.ndarray, "t h w 3"]) -> Stats:
    """Statistics over the pixels of one camera per channel, in [0, 1]; results are [3, 1, 1].

    A histogram of the 256 values holds all of them exactly. As in LeRobot, `count` counts frames, and long
    episodes are sampled: n^0.75 of n frames, at least 100.
    """
    sampled = min(len(frames), max(100, int(len(frames) ** 0.75)))
    frames = frames[np.linspace(0, len(frames) - 1, sampled).round().astype(int)]
    counts = np.stack([np.bincount(frames[..., c].ravel(), minlength=256) for c in range(3)])  # [3, 256]
    value = np.arange(256) / 255
    share = counts / counts.sum(1, keepdims=True)
    mean = share @ value
    variance = share @ value**2 - mean**2
    seen = np.where(counts > 0, value, np.nan)
    stats = {
        "min": np.nanmin(seen, 1),
        "max": np.nanmax(seen, 1),
        "mean": mean,
        "std": variance.clip(0) ** 0.5,
    }
    cumulative = share.cumsum(1)
    for name, q in QUANTILES.items():
        stats[name] = value[(cumulative >= q - 1e-12).argmax(1)]
    return {name: x.reshape(3, 1, 1) for name, x in stats.items()} | {"count": np.array([sampled])}


def merge_stats(blocks: list[Stats]) -> Stats:
    """One block for all frames of `blocks`: exact but for the quantiles, which are means weighted by count.

    LeRobot 0.6 merges in this way, so a dataset that it appends to stays consistent.
    """
    counts = np.array([block["count"][0] for block in blocks], np.float64)
    weight = counts / counts.sum()

    def weighted(arrays: list[np.ndarray]) -> np.ndarray:
        return np.tensordot(weight, np.stack(arrays), axes=1)

    mean = weighted([block["mean"] for block in blocks])
    variance = weighted([block["std"] ** 2 + (block["mean"] - mean) ** 2 for block in blocks])
    merged = {
        "min": np.min([block["min"] for block in blocks], axis=0),
        "max": np.max([block["max"] for block in blocks], axis=0),
        "mean": mean,
        "std": np.sqrt(variance),
    }
    merged |= {name: weighted([block[name] for block in blocks]) for name in QUANTILES}
    return merged | {"count": np.array([int(counts.sum())])}


def to_lists(stats: dict[str, Stats]) -> dict[str, dict[str, Any]]:
    """The content of stats.json."""
    return {feature: {name: x.tolist() for name, x in block.items()} for feature, block in stats.items()}
