"""Chest: two drawers side by side that open toward the middle of the table, each with a bar to pull."""

from functools import partial

import numpy as np
from jaxtyping import Float

from ..gl import mujoco
from ..placement import Corners
from ..world import World
from .objects import RGBA, add_box, body_id, paint

DRAWERS = ("drawer_0", "drawer_1")
PITCH = 0.14
"""Distance between the middles of the drawers, along x [m]."""
TRAVEL = 0.12
"""Travel of a drawer from closed to fully open [m]."""
FRONT = 0.145
"""Position of the outer face of closed drawers along y [m]."""
INNER = np.array([0.062, 0.060])
"""Half sizes of a drawer's interior, x and y [m]."""
THICK = 0.005
"""Half thickness of fronts and walls [m]."""
WALL_HEIGHT = 0.04
FRONT_HEIGHT = 0.07
"""Height of the fronts [m]."""
FLOOR = 0.008
"""Height of a drawer's inner floor [m]."""
BAR = np.array([0.030, 0.006, 0.006])
"""Half sizes of the bar [m]."""
BAR_HEIGHT = 0.045
"""Height of the middle of the bar [m]."""
BAR_GAP = 0.045
"""Gap between the bar and the front, wide enough for closed fingers [m]."""
WOOD = (0.55, 0.42, 0.30, 1.0)
MIDDLE = FRONT + 2 * THICK + INNER[1]
"""Position of the middle of a closed drawer along y [m]."""
BAR_Y = FRONT - BAR_GAP - BAR[1]
"""Position of the bar of a closed drawer along y [m]."""
BAR_AT, FLOOR_AT = np.array([0.0, BAR_Y, BAR_HEIGHT]), np.array([0.0, MIDDLE, FLOOR])
"""Middles of the bar and of the floor of a closed drawer, relative to the chest [m]."""


_box = partial(add_box, friction=[0.6, 0.005, 0.0001])


def add_chest(spec: mujoco.MjSpec) -> None:
    """Adds the chest "chest" with the bodies and slide joints DRAWERS, which `dress_chest` paints and places.

    Fingers collide with the bars and fronts, objects with the drawers, and nothing with the case around them.
    """
    chest = spec.worldbody.add_body(name="chest")
    depth = INNER[1] + 2 * THICK
    rear = FRONT + THICK + 2 * depth
    middle = FRONT + THICK + depth
    for x in (-PITCH, 0.0, PITCH):
        _box(chest, (x, middle, FRONT_HEIGHT / 2), (0.003, depth, FRONT_HEIGHT / 2), 0, WOOD)
    _box(chest, (0.0, rear, FRONT_HEIGHT / 2), (PITCH, 0.003, FRONT_HEIGHT / 2), 0, WOOD)
    for name, side in zip(DRAWERS, (-1, 1), strict=True):
        lid = (side * PITCH / 2, middle, FRONT_HEIGHT + 0.003)
        _box(chest, lid, (PITCH / 2, depth, 0.003), 0, name=f"{name}_lid")
        drawer = chest.add_body(name=name, pos=[side * PITCH / 2, 0, 0])
        drawer.add_joint(
            name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, -1, 0], range=[0, TRAVEL], limited=True,
            damping=5.0, frictionloss=0.5,
        )  # fmt: skip
        drawer.explicitinertial = True
        drawer.mass, drawer.ipos, drawer.inertia = 0.5, [0, MIDDLE, 0.02], [1e-3] * 3
        x, y = INNER
        wall = WALL_HEIGHT / 2
        _box(drawer, (0, MIDDLE, FLOOR / 2 + 0.001), (x, y, FLOOR / 2 - 0.001), 1)
        for sign in (-1, 1):
            _box(drawer, (sign * (x + 0.003), MIDDLE, wall), (0.003, y, wall), 1)
        _box(drawer, (0, MIDDLE + y + THICK, wall), (x + 0.006, THICK, wall), 1)
        _box(drawer, (0, FRONT + THICK, FRONT_HEIGHT / 2), (x + 0.006, THICK, FRONT_HEIGHT / 2), 3)
        _box(drawer, (0, BAR_Y, BAR_HEIGHT), BAR, 3)
        for sign in (-1, 1):
            post = (sign * (BAR[0] - 0.005), FRONT - BAR_GAP / 2, BAR_HEIGHT)
            _box(drawer, post, (0.004, BAR_GAP / 2, 0.004), 0)


def dress_chest(model: mujoco.MjModel, x: float, colors: tuple[str, str]) -> tuple[int, int]:
    """Moves the chest's middle to `x` [m] and paints its drawers; returns their body ids."""
    model.body_pos[body_id(model, "chest"), 0] = x
    bodies = []
    for name, color in zip(DRAWERS, colors, strict=True):
        body = body_id(model, name)
        paint(model, body, color)
        lid = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"{name}_lid")
        model.geom_rgba[lid] = RGBA[color]
        bodies.append(body)
    return bodies[0], bodies[1]


def extension(world: World, drawer: int) -> float:
    """Distance by which a drawer is open [m]."""
    return float(world.data.qpos[world.model.jnt_qposadr[world.model.body_jntadr[drawer]]])


def bar(world: World, drawer: int) -> Float[np.ndarray, " 3"]:
    """Position of the middle of a drawer's bar [m]."""
    return world.data.xpos[drawer] + BAR_AT


def bottom(world: World, drawer: int) -> Float[np.ndarray, " 3"]:
    """Position of the middle of a drawer's floor [m]."""
    return world.data.xpos[drawer] + FLOOR_AT


def in_front(world: World) -> Corners:
    """Corners of the area of the table over which the drawers move [m]."""
    x = world.model.body_pos[body_id(world.model, "chest"), 0]
    return np.array([x - PITCH, BAR_Y - TRAVEL - BAR[1]]), np.array([x + PITCH, FRONT])


def in_drawer(world: World, drawer: int, body: int) -> bool:
    """True when a body's center is between the walls of a drawer and no higher than they are."""
    x, y, z = (world.data.xpos[body] - bottom(world, drawer)).tolist()
    return bool(abs(x) < INNER[0] and abs(y) < INNER[1] and z < WALL_HEIGHT)
