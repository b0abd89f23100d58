"""Check that the normalized data is within what a part of the policy can take in or represent."""

from collections.abc import Mapping

import numpy as np

from ..common.errors import InputError
from .normalizer import Mode, affine

Reach = tuple[float, float]
"""Smallest and largest normalized values that a part does not clip."""
SLACK = 0.01
"""Tolerance by which normalized values may exceed a limit."""


def check_reach(part: str, reach: Reach | None, mode: Mode, stats: Mapping[str, np.ndarray]) -> None:
    """Rejects a normalization that puts data where `part` clips it.

    Args:
        part: whose limit it is, in the words of the settings ("head.clip").
        reach: its limits; None if it has none.
        mode: of the normalizer.
        stats: of the data, as for `Normalizer`.

    Raises:
        ValueError: more than a hundredth of a dimension's values lies beyond, above or below.
    """
    if reach is None:
        return
    values = {name: np.asarray(x, np.float64) for name, x in stats.items()}
    center, scale = affine(mode, values)
    usual = np.stack([values["q01"], values["q99"]])
    usual = (usual - center) / np.where(scale > 0, scale, np.inf)  # [2, d]
    beyond = ((usual < reach[0] - SLACK) | (usual > reach[1] + SLACK)).any(axis=0)
    if beyond.any():
        raise InputError(
            f"{part} clips to [{reach[0]:g}, {reach[1]:g}], but normalization {mode!r} takes {beyond.sum()} "
            f"of {usual.shape[1]} dimensions as far as {usual.min():.2f} and {usual.max():.2f} (1 % and 99 % "
            "of the data); valid: normalization 'quantile' or 'min_max', or wider limits"
        )
