"""Bars: long boxes that two grippers can hold at once, and mats to lay them on."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from .gl import mujoco
from .objects import RGBA, Shape, body_id
from .task import World

BARS = {
    "brick": Shape((0.070, 0.018, 0.014), yaw=math.radians(8)),
    "stick": Shape((0.085, 0.010, 0.010), yaw=math.radians(8)),
}
MASS = 0.05
"""[kg]"""
INERTIA = 1e-4
"""About every axis, for every shape [kg m^2]."""
MAT = (0.036, 0.085)
"""Half sizes of a mat, x and y [m]."""
ON = np.array([0.02, 0.025])
"""A bar is on a mat when its centre is this near to the mat's, in x and y [m]."""
FLOATING = 0.025
"""A bar whose centre is higher above the table [m] does not lie."""


def add_bar(spec: Any, name: str) -> None:
    """A free body called `name` that `dress_bar` can turn into any bar."""
    body = spec.worldbody.add_body(name=name, pos=[0.5, 0.0, 0.05])
    body.add_freejoint(name=name)
    body.explicitinertial = True
    body.mass, body.ipos, body.inertia = MASS, [0, 0, 0], [INERTIA] * 3
    for kind, shape in BARS.items():
        body.add_geom(
            name=f"{name}_{kind}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=shape.size, condim=4, friction=[1.0, 0.01, 0.001], contype=1, conaffinity=1,
        )  # fmt: skip


def dress_bar(model: Any, name: str, kind: str, colour: str) -> int:
    """Makes the body called `name` a `colour` `kind` (one geom on, the others off); returns its number."""
    for other in BARS:
        geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"{name}_{other}")
        on = other == kind
        model.geom_contype[geom] = model.geom_conaffinity[geom] = int(on)
        model.geom_rgba[geom] = RGBA[colour] if on else (0.0, 0.0, 0.0, 0.0)
    return body_id(model, name)


def add_mat(spec: Any, name: str) -> None:
    """A mat called `name`, for looks alone, that `dress_mat` paints and places."""
    body = spec.worldbody.add_body(name=name)
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=(0, 0, 0.0005), size=(*MAT, 0.0005), contype=0, conaffinity=0
    )


def dress_mat(model: Any, name: str, colour: str, centre: Float[np.ndarray, " 2"]) -> int:
    """Paints the mat called `name` and moves it to `centre` [m]; returns its body's number."""
    body = body_id(model, name)
    model.body_pos[body] = [*centre, 0.0]
    model.geom_rgba[model.body_geomadr[body]] = RGBA[colour]
    return body


def on_mat(world: World, mat: int, bar: int) -> bool:
    """Whether a bar lies on a mat."""
    offset = world.data.xpos[bar] - world.model.body_pos[mat]
    return bool((np.abs(offset[:2]) < ON).all() and offset[2] < FLOATING)
