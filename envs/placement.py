"""Where to put things: areas, and places that keep their distance."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

WORKSPACE = (np.array([0.38, -0.20]), np.array([0.64, 0.20]))
"""Corners of the rectangle in which every single arm can grasp, x and y [m]: no spread goes beyond it."""


def area(
    low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], spread: float
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """The rectangle from `low` to `high` [m], scaled about its centre by `spread`, inside the workspace."""
    if spread == 1.0:
        return low, high
    centre, half = (low + high) / 2, spread * (high - low) / 2
    return np.maximum(centre - half, WORKSPACE[0]), np.minimum(centre + half, WORKSPACE[1])


def scatter(
    radii: Sequence[float],
    yaws: Float[np.ndarray, " n"],
    corners: tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]],
    pads_outer: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "n 2"]:
    """Centres [m] in a rectangle at which open fingers reach every object without touching another one.

    Args:
        radii: of the upright cylinders that contain the objects [m].
        yaws: at which each is grasped [rad].
        corners: of the rectangle.
        pads_outer: from the middle of the open gripper to the outside of a pad [m].
    """
    sizes = np.array(radii)
    closing = np.stack([-np.sin(yaws), np.cos(yaws)], axis=1)
    others = ~np.eye(len(sizes), dtype=bool)
    while True:
        centres = rng.uniform(*corners, size=(len(sizes), 2))
        if len(sizes) == 1:
            return centres
        fingers = centres[:, None] + pads_outer * np.array([-1.0, 1.0])[:, None] * closing[:, None]
        gaps = np.linalg.norm(fingers[:, :, None] - centres, axis=-1) - sizes  # [object, finger, other]
        between = np.linalg.norm(centres[:, None] - centres, axis=-1) - sizes[:, None] - sizes
        if between[others].min() > 0.01 and gaps.min(axis=1)[others].min() > 0.02:
            return centres
