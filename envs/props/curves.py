"""Curves: lines drawn on the table with flat boxes, and distances from them."""

import math

import numpy as np
from jaxtyping import Float, Int

from ..gl import mujoco

POINTS = 20
"""Number of points of each curve."""
WIDTH = 0.014
"""Width of the line [m]."""
FINE = np.linspace(0.0, 1.0, 201)
SHAPES: dict[str, Float[np.ndarray, "m 2"]] = {
    "arc": np.stack([np.sin(np.pi * FINE), 1 - np.cos(np.pi * FINE)], axis=1) - [0.5, 1.0],
    "wave": np.stack([np.sin(2 * np.pi * FINE), 2 * FINE - 1], axis=1),
    "zigzag": np.array([[-0.7, -1.0], [0.7, -1 / 3], [-0.7, 1 / 3], [0.7, 1.0]]),
    "bracket": np.array([[-0.5, -1.0], [0.5, -1.0], [0.5, 1.0], [-0.5, 1.0]]),
}
"""Corners from left to right, which is along +y as seen through the front camera; about 2 wide."""


def draw_curve(shape: str, size: tuple[float, float], turn: float, center: np.ndarray) -> np.ndarray:
    """Equidistant points [POINTS, 2] along a curve, from left to right [m].

    Args:
        shape: one of SHAPES.
        size: half extents along x and y [m]; a negative one along x mirrors the curve.
        turn: rotation about the vertical axis [rad].
        center: x and y of the center [m].
    """
    corners = SHAPES[shape] * size
    cos, sin = np.cos(turn), np.sin(turn)
    corners = corners @ np.array([[cos, sin], [-sin, cos]]) + center
    way = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
    stops = np.linspace(0.0, way[-1], POINTS)
    return np.stack([np.interp(stops, way, corners[:, axis]) for axis in range(2)], axis=1)


def add_curve(spec: mujoco.MjSpec, name: str) -> None:
    """Adds a body called `name` with one flat box per point, for `lay_out` to place."""
    body = spec.worldbody.add_body(name=name)
    for number in range(POINTS):
        # Poses different from the body's own, since the compiler would otherwise fuse them with it.
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, pos=[0.3 + 0.02 * number, 0.1, 0.0005], quat=[0.8, 0, 0, 0.6],
            size=[0.01, WIDTH / 2, 0.0005], contype=0, conaffinity=0,
        )  # fmt: skip


def lay_out(model: mujoco.MjModel, body: int, points: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Moves the boxes of a body to `points` [m], aligned with the curve; returns the geom ids."""
    geoms = np.arange(POINTS) + model.body_geomadr[body]
    along = np.gradient(points, axis=0)
    angles = np.arctan2(along[:, 1], along[:, 0])
    model.geom_pos[geoms, :2] = points
    model.geom_quat[geoms] = np.stack(
        [np.cos(angles / 2), 0 * angles, 0 * angles, np.sin(angles / 2)], axis=1
    )
    model.geom_size[geoms, 0] = np.linalg.norm(points[1] - points[0]) / 2 + WIDTH / 4
    return geoms


def nearest(
    places: Float[np.ndarray, "m 2"], line: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Nearest spot on a line through points for each place, counted in points from its start, and its
    distance [m]."""
    start, way = line[:-1], line[1:] - line[:-1]
    offset = places[:, None] - start
    share = np.vecdot(offset, way) / np.maximum(np.vecdot(way, way), 1e-12)
    share = np.minimum(np.maximum(share, 0.0), 1.0)
    aside = offset - share[..., None] * way
    distance = np.sqrt(np.vecdot(aside, aside))
    best = distance.argmin(axis=1)
    rows = np.arange(len(places))
    return best + share[rows, best], distance[rows, best]


def from_segment(place: list[float], start: list[float], end: list[float]) -> float:
    """Distance of one place from a line segment, x and y [m]; much faster than `nearest`."""
    x, y = place[0] - start[0], place[1] - start[1]
    way_x, way_y = end[0] - start[0], end[1] - start[1]
    share = (x * way_x + y * way_y) / max(way_x * way_x + way_y * way_y, 1e-12)
    share = min(max(share, 0.0), 1.0)
    return math.hypot(x - share * way_x, y - share * way_y)


def at(line: Float[np.ndarray, "n 2"], position: float) -> Float[np.ndarray, " 2"]:
    """Position on a line at the given number of points from its start [m]."""
    numbers = np.arange(len(line))
    return np.array([np.interp(position, numbers, line[:, axis]) for axis in range(2)])
