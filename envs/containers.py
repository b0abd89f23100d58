"""Containers: open trays, which stand elsewhere and have other colours in every episode."""

from typing import Any

import numpy as np
from jaxtyping import Float

from .gl import mujoco
from .objects import RGBA, body_id
from .placement import area
from .task import World

TRAY_HALF = np.array([0.060, 0.050])
"""Half sizes of the inside, x and y [m]; a brick lies along x."""
TRAY_WALL = 0.004
"""Half thickness of the walls [m]."""
TRAY_HEIGHT = 0.02
"""Of the walls [m]; lower than fingers that hold a cube at rest in the tray."""
INSIDE = 0.01
"""A body is inside when its centre keeps this distance from the walls [m]."""
FLOATING = 0.07
"""A body whose centre is higher above the table [m] is not in a tray yet."""
TRAY_LOW = np.array([0.57, 0.07])
TRAY_HIGH = np.array([0.59, 0.13])
"""The left tray's centre is between these x and y [m], the right one's between their mirror images."""
BESIDE = (np.array([0.38, -0.16]), np.array([0.45, 0.16]))
"""Corners of the rectangle from which the centres of objects beside the trays are drawn, x and y [m]."""


def add_tray(spec: Any, name: str) -> None:
    """A tray called `name` that `dress_tray` paints and places. Gripper pads pass through it, as through the
    table."""
    body = spec.worldbody.add_body(name=name)
    half_x, half_y = TRAY_HALF + TRAY_WALL
    _box(body, (0.0, 0.0, 0.0005), (half_x, half_y, 0.0005), collides=False)  # objects stand on the table
    for sign in (-1, 1):
        height = TRAY_HEIGHT / 2
        _box(body, (sign * half_x, 0.0, height), (TRAY_WALL, half_y + TRAY_WALL, height), collides=True)
        _box(body, (0.0, sign * half_y, height), (half_x + TRAY_WALL, TRAY_WALL, height), collides=True)


def dress_tray(model: Any, name: str, colour: str, centre: Float[np.ndarray, " 2"]) -> int:
    """Paints the tray called `name` and moves it to `centre` [m]; returns its body's number."""
    body = body_id(model, name)
    model.body_pos[body] = [*centre, 0.0]
    floor = model.body_geomadr[body]
    model.geom_rgba[floor : floor + model.body_geomnum[body]] = RGBA[colour]
    return body


def draw_trays(rng: np.random.Generator) -> Float[np.ndarray, "2 2"]:
    """Centres [m] of two trays side by side, in random order."""
    centres = rng.uniform(TRAY_LOW, TRAY_HIGH, size=(2, 2))
    centres[rng.integers(2), 1] *= -1.0
    return centres


def beside(spread: float) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """Corners of the rectangle for the centres of objects [m], scaled by `spread` but not into the trays."""
    low, high = area(*BESIDE, spread)
    return low, np.minimum(high, [BESIDE[1][0], np.inf])


def inside(world: World, tray: int, body: int) -> bool:
    """Whether a body is in a tray: its centre within the walls and it not held above them."""
    offset = world.data.xpos[body] - world.model.body_pos[tray]
    return bool((np.abs(offset[:2]) < TRAY_HALF - INSIDE).all() and offset[2] < FLOATING)


def _box(body: Any, pos: tuple, size: tuple, collides: bool) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=size, contype=0, conaffinity=int(collides),
    )  # fmt: skip
