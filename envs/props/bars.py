"""Bars: long boxes that two grippers can hold at once, and mats to lay them on."""

import math

from ..gl import mujoco
from ..world import World
from .objects import Shape

BARS = {
    "brick": Shape((0.070, 0.018, 0.014), yaw=math.radians(8)),
    "stick": Shape((0.085, 0.010, 0.010), yaw=math.radians(8)),
}
MASS = 0.05
"""Mass of a bar [kg]."""
INERTIA = 1e-4
"""Inertia about every axis, for every shape [kg m^2]."""
MAT = (0.036, 0.085)
"""Half sizes of a mat, x and y [m]."""
ON = (0.02, 0.025)
"""Largest distances between the centers of a bar and of the mat that it lies on, in x and y [m]."""
FLOATING = 0.025
"""Height of a bar's center above the table beyond which it is not lying [m]."""


def add_mat(spec: mujoco.MjSpec, name: str) -> None:
    """Adds a purely visual mat called `name`, which `furnish` paints and places."""
    body = spec.worldbody.add_body(name=name)
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=(0, 0, 0.0005), size=(*MAT, 0.0005), contype=0, conaffinity=0
    )


def on_mat(world: World, mat: int, bar: int) -> bool:
    """True when a bar lies on a mat."""
    x, y, z = (world.data.xpos[bar] - world.model.body_pos[mat]).tolist()
    return abs(x) < ON[0] and abs(y) < ON[1] and z < FLOATING
