"""Knobs: bars on dials that turn about the vertical axis, each between two marks.

At angle 0 a knob points away from the front camera; at positive angles it points to the left as seen through
that camera.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ..gl import mujoco
from ..world import World
from .objects import RGBA, add_box, body_id, paint

BAR = (0.036, 0.008, 0.014)
"""Half sizes of the bar along x, y, z [m]."""
BAR_HEIGHT = 0.024
"""Height of the middle of the bar above the table [m]."""
DIAL = 0.045
"""Radius of the disk below the bar [m]."""
MARK_AT = 0.056
"""Distance of the marks from the axis [m]."""
RANGE = 1.1
"""Largest angle of a knob in either direction [rad]."""
GRAY = (0.30, 0.31, 0.34, 1.0)


def add_knob(spec: mujoco.MjSpec, name: str) -> None:
    """Adds a knob called `name` with a hinge of the same name, which `dress_knob` paints and places.

    Only fingers touch it, and only its bar; friction holds it where it is left.
    """
    base = spec.worldbody.add_body(name=f"{name}_base")
    disc = mujoco.mjtGeom.mjGEOM_CYLINDER
    base.add_geom(type=disc, pos=[0, 0, 0.003], size=[DIAL, 0.003, 0], rgba=GRAY, contype=0, conaffinity=0)
    for side in range(2):
        add_box(base.add_body(name=f"{name}_mark_{side}"), (0, 0, 0.004), (0.014, 0.014, 0.004), 0)
    knob = base.add_body(name=name, pos=[0, 0, BAR_HEIGHT])
    knob.add_joint(
        name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 0, 1], range=[-RANGE, RANGE], limited=True,
        damping=0.02, frictionloss=0.05,
    )  # fmt: skip
    knob.explicitinertial = True
    knob.mass, knob.inertia = 0.1, [2e-4] * 3
    add_box(knob, (0, 0, 0), BAR, touches=2)
    add_box(knob, (0.008 - BAR[0], 0, 0), (0.0085, 0.0085, 0.0145), touches=0)  # the end that points


def dress_knob(
    model: mujoco.MjModel,
    name: str,
    center: Float[np.ndarray, " 2"],
    color: str,
    marks: Sequence[tuple[float, str]],
) -> int:
    """Places and paints a knob and its two marks; returns its body id.

    Args:
        center: x and y of its axis [m].
        color: color of its bar.
        marks: angle [rad] and color of each mark.
    """
    model.body_pos[body_id(model, f"{name}_base"), :2] = center
    for side, (angle, mark_color) in enumerate(marks):
        mark = body_id(model, f"{name}_mark_{side}")
        model.body_pos[mark, :2] = [-MARK_AT * math.cos(angle), -MARK_AT * math.sin(angle)]
        paint(model, mark, mark_color)
    knob = body_id(model, name)
    model.geom_rgba[model.body_geomadr[knob]] = RGBA[color]  # the end that points stays white
    return knob


def angle(world: World, knob: int) -> float:
    """Angle of a knob, positive to the left [rad]."""
    return float(world.data.qpos[world.model.jnt_qposadr[world.model.body_jntadr[knob]]])


def set_angle(world: World, knob: int, value: float) -> None:
    """Turns a knob to an angle [rad]."""
    world.data.qpos[world.model.jnt_qposadr[world.model.body_jntadr[knob]]] = value


def is_still(world: World, knob: int) -> bool:
    """True when a knob turns slower than 0.1 rad/s."""
    return abs(float(world.data.qvel[world.model.body_dofadr[knob]])) < 0.1
