"""Objects to manipulate: boxes of three shapes in four colours. No recompile makes one of another."""

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
    """A box, standing on the table."""

    size: tuple[float, float, float]
    """Half sizes along x, y, z [m]."""
    yaw: float
    """Yaws are drawn from +- this [rad]."""
    grasp: float = 0.0
    """Height of the grasp above the centre of an upright box [m]."""

    @property
    def height(self) -> float:
        """Of the centre above the table when at rest [m]."""
        return self.size[2]

    @property
    def radius(self) -> float:
        """Of the upright cylinder that contains it [m]."""
        return math.hypot(self.size[0], self.size[1])


SHAPES = {
    "cube": Shape((0.025, 0.025, 0.025), yaw=math.radians(15)),
    "carton": Shape((0.018, 0.018, 0.045), yaw=math.radians(15), grasp=0.016),
    "brick": Shape((0.052, 0.016, 0.016), yaw=math.radians(35)),
}
MASS = 0.1
"""[kg]"""
INERTIA = 5e-5
"""About every axis, for every shape [kg m^2]."""


def add_object(
    spec: mujoco.MjSpec,
    name: str,
    shapes: Mapping[str, Shape] = SHAPES,
    mass: float = MASS,
    inertia: float = INERTIA,
) -> None:
    """A free body called `name` that `dress` can turn into any of `shapes`."""
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
    model: mujoco.MjModel, name: str, kind: str, colour: str, shapes: Mapping[str, Shape] = SHAPES
) -> int:
    """Makes the body called `name` a `colour` `kind` (one geom on, the others off); returns its number."""
    body = body_id(model, name)
    for other in shapes:
        geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"{name}_{other}")
        on = other == kind
        model.geom_contype[geom] = model.geom_conaffinity[geom] = int(on)
        model.geom_rgba[geom] = RGBA[colour] if on else (0.0, 0.0, 0.0, 0.0)
    return body


def add_box(
    body: mujoco.MjsBody, pos: Any, size: Any, touches: int, rgba: Any = (1.0, 1.0, 1.0, 1.0), **settings: Any
) -> None:
    """A part of the furniture.

    Args:
        pos: centre in the frame of `body` [m].
        size: half sizes [m].
        touches: 0 nothing, 1 objects, 2 gripper pads, 3 both.
        settings: other attributes of the geom.
    """
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=size, rgba=rgba,
        contype=0, conaffinity=touches, **{"mass": 0.0, **settings},
    )  # fmt: skip


def paint(model: mujoco.MjModel, body: int, colour: str) -> None:
    """Gives every geom of a body a colour."""
    first = model.body_geomadr[body]
    model.geom_rgba[first : first + model.body_geomnum[body]] = RGBA[colour]


def furnish(model: mujoco.MjModel, name: str, colour: str, centre: Float[np.ndarray, " 2"]) -> int:
    """Paints the fixed body called `name` and moves it to `centre` [m]; returns its number."""
    body = body_id(model, name)
    model.body_pos[body] = [*centre, 0.0]
    paint(model, body, colour)
    return body


def put(world: World, body: int, position: Float[np.ndarray, " 3"], yaw: float = 0.0) -> None:
    """Places a free body's frame at `position` [m], turned about the vertical by `yaw` [rad]."""
    address = world.model.jnt_qposadr[world.model.body_jntadr[body]]
    world.data.qpos[address : address + 3] = position
    world.data.qpos[address + 3 : address + 7] = [math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]


def body_id(model: mujoco.MjModel, name: str) -> int:
    """Number of the body called `name`."""
    return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name)


def fell_off(world: World, body: int) -> bool:
    """Whether a body has left the table top."""
    (x, y, z), (middle_x, middle_y, half_x, half_y) = world.data.xpos[body].tolist(), TABLE
    return abs(x - middle_x) > half_x or abs(y - middle_y) > half_y or z < -0.05


def half_sizes(model: mujoco.MjModel, body: int) -> Float[np.ndarray, " 3"]:
    """Of the box that an object is now [m]; a perturbation may have changed it."""
    first = model.body_geomadr[body]
    on = model.geom_contype[first : first + model.body_geomnum[body]] == 1
    return model.geom_size[first + on.argmax()]


def at_rest(world: World, body: int) -> bool:
    """Whether a free body moves slower than 5 cm/s."""
    address = world.model.body_dofadr[body]
    velocity = world.data.qvel[address : address + 3]
    return math.sqrt(velocity.dot(velocity)) < 0.05


def from_gripper(world: World, body: int) -> float:
    """From the first arm's gripper to a body's centre [m]."""
    return distance(world.data.site_xpos[world.robot.site], world.data.xpos[body])


def distance(one: Float[np.ndarray, " d"], other: Float[np.ndarray, " d"]) -> float:
    """Between two points [m]. `np.linalg.norm` takes thrice as long, and predicates ask often."""
    way = one - other
    return math.sqrt(way.dot(way))
