"""Where to put things: areas, and places that keep their distance."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float

Bound = TypeVar("Bound", float, np.ndarray)

Corners = tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]
"""Of a rectangle on the table: the lower x and y, the higher ones [m]."""

WORKSPACE = (np.array([0.38, -0.20]), np.array([0.64, 0.20]))
"""Corners of the rectangle in which every single arm can grasp, x and y [m]: no spread goes beyond it."""

WAITING = (np.array([0.38, -0.03, 0.18]), np.array([0.42, 0.03, 0.22]))
"""Corners of the box in which a gripper waits when an episode starts, x, y, z [m]."""


def waiting(
    rng: np.random.Generator,
    corners: tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]] = WAITING,
    gripper: float = 1.0,
) -> Float[np.ndarray, "1 5"]:
    """[x, y, z, yaw, gripper] at which the only arm waits, drawn from a box [m]."""
    return np.array([[*rng.uniform(*corners), 0.0, gripper]])


def stretched(low: Bound, high: Bound, spread: float) -> tuple[Bound, Bound]:
    """From `low` to `high` [m], scaled about the middle by `spread`."""
    if spread == 1.0:
        return low, high
    middle, half = (low + high) / 2, spread * (high - low) / 2
    return middle - half, middle + half


def area(low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], spread: float) -> Corners:
    """The rectangle from `low` to `high` [m], scaled about its centre by `spread`, inside the workspace."""
    low, high = stretched(low, high, spread)
    return np.maximum(low, WORKSPACE[0]), np.minimum(high, WORKSPACE[1])


def both_sides(corners: Corners, rng: np.random.Generator) -> Float[np.ndarray, "2 2"]:
    """A place [m] in a rectangle on one side of the table and one in its mirror image, in random order."""
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
