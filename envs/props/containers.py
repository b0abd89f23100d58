"""Containers: open trays with a different place and color in every episode."""

import numpy as np
from jaxtyping import Float

from ..gl import mujoco
from ..placement import Corners, area
from ..world import World
from .objects import add_box

TRAY_HALF = np.array([0.060, 0.050])
"""Half sizes of the interior, x and y [m]; a brick lies along x."""
TRAY_WALL = 0.004
"""Half thickness of the walls [m]."""
TRAY_HEIGHT = 0.02
"""Height of the walls [m], below fingers that hold a cube resting in the tray."""
INSIDE_X, INSIDE_Y = (TRAY_HALF - 0.01).tolist()
"""Largest distances between the centers of a tray and of a body inside it, 1 cm off the walls [m]."""
FLOATING = 0.07
"""Height of a body's center above the table beyond which it is not yet in a tray [m]."""
TRAY_AREA = (np.array([0.57, 0.07]), np.array([0.59, 0.13]))
"""Corners of the rectangle for the right tray's center, x and y [m]; the left tray's is its mirror image."""
BESIDE = (np.array([0.38, -0.16]), np.array([0.45, 0.16]))
"""Corners of the rectangle from which the centers of objects beside the trays are drawn, x and y [m]."""


def add_tray(spec: mujoco.MjSpec, name: str) -> None:
    """Adds a tray called `name`, which `furnish` paints and places. Gripper pads pass through it, as through
    the table."""
    add_pen(spec, name, TRAY_HALF, TRAY_WALL, TRAY_HEIGHT)


def add_pen(
    spec: mujoco.MjSpec,
    name: str,
    half: Float[np.ndarray, " 2"],
    wall: float,
    height: float,
    touches: int = 1,
) -> None:
    """Adds a purely visual floor and four walls.

    Args:
        half: half sizes of the interior, x and y [m].
        wall: half thickness of the walls [m].
        height: height of the walls [m].
        touches: what the walls collide with; see `add_box`.
    """
    body = spec.worldbody.add_body(name=name)
    x, y = half + wall
    add_box(body, (0.0, 0.0, 0.0005), (x, y, 0.0005), touches=0)  # objects stand on the table
    for sign in (-1, 1):
        add_box(body, (sign * x, 0.0, height / 2), (wall, y + wall, height / 2), touches)
        add_box(body, (0.0, sign * y, height / 2), (x + wall, wall, height / 2), touches)


def beside(spread: float) -> Corners:
    """Corners of the rectangle for the centers of objects [m], scaled by `spread` but kept out of the
    trays."""
    low, high = area(*BESIDE, spread)
    return low, np.minimum(high, [BESIDE[1][0], np.inf])


def inside(world: World, tray: int, body: int) -> bool:
    """True when a body is in a tray: its center is within the walls and it is not held above them."""
    x, y, z = (world.data.xpos[body] - world.model.body_pos[tray]).tolist()
    return abs(x) < INSIDE_X and abs(y) < INSIDE_Y and z < FLOATING
