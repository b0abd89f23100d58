"""Placement of objects: areas, and positions that keep their distance from each other."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float

Bound = TypeVar("Bound", float, np.ndarray)

Corners = tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]
"""Corners of a rectangle on the table: its lower x and y, its higher x and y [m]."""

WORKSPACE = (np.array([0.38, -0.20]), np.array([0.64, 0.20]))
"""Corners of the rectangle in which every single arm can grasp, x and y [m]: no spread exceeds it."""

WAITING = (np.array([0.38, -0.03, 0.18]), np.array([0.42, 0.03, 0.22]))
"""Corners of the box from which a gripper's start is drawn, x, y, z [m]."""


def waiting(
    rng: np.random.Generator,
    corners: tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]] = WAITING,
    gripper: float = 1.0,
) -> Float[np.ndarray, "1 5"]:
    """Start [x, y, z, yaw, gripper] of the only arm, drawn from a box [m]."""
    return np.array([[*rng.uniform(*corners), 0.0, gripper]])


def stretched(low: Bound, high: Bound, spread: float) -> tuple[Bound, Bound]:
    """Interval from `low` to `high` [m], scaled about its middle by `spread`."""
    if spread == 1.0:
        return low, high
    middle, half = (low + high) / 2, spread * (high - low) / 2
    return middle - half, middle + half


def area(low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], spread: float) -> Corners:
    """Rectangle from `low` to `high` [m], scaled about its center by `spread`, within the workspace."""
    low, high = stretched(low, high, spread)
    return np.maximum(low, WORKSPACE[0]), np.minimum(high, WORKSPACE[1])


def both_sides(corners: Corners, rng: np.random.Generator) -> Float[np.ndarray, "2 2"]:
    """A position [m] in a rectangle on one side of the table and one in its mirror image, in random order."""
    centres = rng.uniform(*corners, size=(2, 2))
    centres[rng.integers(2), 1] *= -1.0
    return centres


def scatter(
    radii: Sequence[float],
    yaws: Float[np.ndarray, " n"],
    corners: Corners,
    pads_outer: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "n 2"]:
    """Centers [m] in a rectangle at which open fingers reach every object without touching another one.

    Args:
        radii: radii of the upright cylinders that contain the objects [m].
        yaws: yaw at which each object is grasped [rad].
        corners: corners of the rectangle.
        pads_outer: distance from the middle of the open gripper to the outer face of a pad [m].
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
