"""Objects to manipulate: boxes of three shapes in four colors. Any can become any other without a
recompile."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..gl import mujoco
from ..world import World
from .tabletop import TABLE

RGBA = {
    "red": (0.82, 0.10, 0.10, 1.0),
    "green": (0.10, 0.62, 0.16, 1.0),
    "blue": (0.12, 0.25, 0.85, 1.0),
    "yellow": (0.95, 0.80, 0.08, 1.0),
}


@dataclass(frozen=True)
class Shape:
    """A box that stands on the table."""

    size: tuple[float, float, float]
    """Half sizes along x, y, z [m]."""
    yaw: float
    """Largest yaw that is drawn, in either direction [rad]."""
    grasp: float = 0.0
    """Height of the grasp above the center of an upright box [m]."""

    @property
    def height(self) -> float:
        """Height of the center above the table at rest [m]."""
        return self.size[2]

    @property
    def radius(self) -> float:
        """Radius of the smallest upright cylinder that contains the box [m]."""
        return math.hypot(self.size[0], self.size[1])


SHAPES = {
    "cube": Shape((0.025, 0.025, 0.025), yaw=math.radians(15)),
    "carton": Shape((0.018, 0.018, 0.045), yaw=math.radians(15), grasp=0.016),
    "brick": Shape((0.052, 0.016, 0.016), yaw=math.radians(35)),
}
MASS = 0.1
"""Mass of an object [kg]."""
INERTIA = 5e-5
"""Inertia about every axis, for every shape [kg m^2]."""


def add_object(
    spec: mujoco.MjSpec,
    name: str,
    shapes: Mapping[str, Shape] = SHAPES,
    mass: float = MASS,
    inertia: float = INERTIA,
) -> None:
    """Adds a free body called `name` that `dress` can turn into any of `shapes`."""
    body = spec.worldbody.add_body(name=name, pos=[0.5, 0.0, 0.05])
    body.add_freejoint(name=name)
    body.explicitinertial = True
    body.mass, body.ipos, body.inertia = mass, [0, 0, 0], [inertia] * 3
    for kind, shape in shapes.items():
        body.add_geom(
            name=f"{name}_{kind}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=shape.size, condim=4, friction=[1.0, 0.01, 0.001], contype=1, conaffinity=1,
        )  # fmt: skip


def dress(
    model: mujoco.MjModel, name: str, kind: str, color: str, shapes: Mapping[str, Shape] = SHAPES
) -> int:
    """Turns the body called `name` into a `color` `kind` (one geom on, the others off); returns its body
    id."""
    body = body_id(model, name)
    for other in shapes:
        geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"{name}_{other}")
        on = other == kind
        model.geom_contype[geom] = model.geom_conaffinity[geom] = int(on)
        model.geom_rgba[geom] = RGBA[color] if on else (0.0, 0.0, 0.0, 0.0)
    return body


def add_box(
    body: mujoco.MjsBody, pos: Any, size: Any, touches: int, rgba: Any = (1.0, 1.0, 1.0, 1.0), **settings: Any
) -> None:
    """Adds a box to a body.

    Args:
        pos: center in the frame of `body` [m].
        size: half sizes [m].
        touches: what it collides with: 0 nothing, 1 objects, 2 gripper pads, 3 both.
        settings: other attributes of the geom.
    """
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=size, rgba=rgba,
        contype=0, conaffinity=touches, **{"mass": 0.0, **settings},
    )  # fmt: skip


def paint(model: mujoco.MjModel, body: int, color: str) -> None:
    """Paints every geom of a body."""
    first = model.body_geomadr[body]
    model.geom_rgba[first : first + model.body_geomnum[body]] = RGBA[color]


def furnish(model: mujoco.MjModel, name: str, color: str, center: Float[np.ndarray, " 2"]) -> int:
    """Paints the fixed body called `name` and moves it to `center` [m]; returns its body id."""
    body = body_id(model, name)
    model.body_pos[body] = [*center, 0.0]
    paint(model, body, color)
    return body


def put(world: World, body: int, position: Float[np.ndarray, " 3"], yaw: float = 0.0) -> None:
    """Places a free body's frame at `position` [m], rotated about the vertical axis by `yaw` [rad]."""
    address = world.model.jnt_qposadr[world.model.body_jntadr[body]]
    world.data.qpos[address : address + 3] = position
    world.data.qpos[address + 3 : address + 7] = [math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]


def body_id(model: mujoco.MjModel, name: str) -> int:
    """Id of the body called `name`."""
    return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name)


def fell_off(world: World, body: int) -> bool:
    """True when a body has left the table top."""
    (x, y, z), (middle_x, middle_y, half_x, half_y) = world.data.xpos[body].tolist(), TABLE
    return abs(x - middle_x) > half_x or abs(y - middle_y) > half_y or z < -0.05


def half_sizes(model: mujoco.MjModel, body: int) -> Float[np.ndarray, " 3"]:
    """Half sizes of the box that an object currently is, perturbations included [m]."""
    first = model.body_geomadr[body]
    on = model.geom_contype[first : first + model.body_geomnum[body]] == 1
    return model.geom_size[first + on.argmax()]


def at_rest(world: World, body: int) -> bool:
    """True when a free body moves slower than 5 cm/s."""
    address = world.model.body_dofadr[body]
    velocity = world.data.qvel[address : address + 3]
    return math.sqrt(velocity.dot(velocity)) < 0.05


def from_gripper(world: World, body: int) -> float:
    """Distance of the first arm's gripper from a body's center [m]."""
    return distance(world.data.site_xpos[world.robot.site], world.data.xpos[body])


def distance(one: Float[np.ndarray, " d"], other: Float[np.ndarray, " d"]) -> float:
    """Distance between two points [m]. `np.linalg.norm` takes three times as long, and predicates call this
    often."""
    way = one - other
    return math.sqrt(way.dot(way))
