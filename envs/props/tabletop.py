"""Tabletop: the empty scene that tasks build on, with physics settings, table, light, cameras and robot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..gl import mujoco
from ..robot import Robot

TIMESTEP = 0.005
"""Time step of the physics [s]; grasps break at 10 ms."""
TABLE = (0.30, 0.0, 0.65, 0.60)
"""Center x, y and half sizes x, y of the table top [m]; its surface is z = 0."""


@dataclass(frozen=True)
class View:
    """Position and target of an upright camera."""

    eye: tuple[float, float, float]
    """Position of the camera [m]."""
    target: tuple[float, float, float]
    """Point that the camera looks at [m]."""
    fovy: float
    """Vertical field of view [degrees]."""


def from_the_front(target: tuple[float, float, float], fovy: float) -> View:
    """View from 1.4 m away from `target` [m], 50 degrees above the table: steep enough that the gripper hides
    nothing it has not reached."""
    x, y, z = target
    elevation = math.radians(50)
    return View((x + 1.40 * math.cos(elevation), y, z + 1.40 * math.sin(elevation)), target, fovy)


FRONT = from_the_front((0.485, 0.0, 0.11), fovy=15.5)
"""Front view that just covers the workspace, so that a 5 cm object is 7 pixels wide in a 64-pixel image."""
OVERVIEW = View((1.12, -0.58, 0.74), (0.36, 0.02, 0.20), fovy=40.0)
"""View of the whole arm, for people."""


def tabletop(robots: Sequence[Robot], front: View = FRONT, overview: View = OVERVIEW) -> mujoco.MjSpec:
    """Builds a `mujoco.MjSpec` with table, lights, the cameras "front" and "overview", `robots`, and a
    "wrist" camera on each."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    option = spec.option
    option.timestep = TIMESTEP
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10
    spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
    spec.visual.headlight.diffuse = [0.25, 0.25, 0.25]
    spec.visual.headlight.specular = [0, 0, 0]
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 5.0
    spec.stat.extent, spec.stat.center = 1.0, [0.5, 0, 0.1]
    world = spec.worldbody
    world.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[0.7, 0.5, 1.5], dir=[-0.25, -0.45, -1.0],
        diffuse=[0.5, 0.5, 0.5], specular=[0.1, 0.1, 0.1], castshadow=True,
    )  # fmt: skip
    x, y, half_x, half_y = TABLE
    world.add_geom(
        name="table", type=mujoco.mjtGeom.mjGEOM_PLANE, pos=[x, y, 0], size=[half_x, half_y, 0.1],
        rgba=[0.62, 0.60, 0.57, 1], contype=0, conaffinity=1, friction=[1.0, 0.005, 0.0001],
    )  # fmt: skip
    for name, view in (("front", front), ("overview", overview)):
        _aim(world.add_camera(name=name, pos=view.eye, fovy=view.fovy), _right_and_up(view))
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.93, 0.94, 0.96], rgb2=[0.70, 0.75, 0.82], width=128, height=768,
    )  # fmt: skip
    for robot in robots:
        robot.add_to(spec)
        hand = spec.body(robot.name("hand"))
        wrist = hand.add_camera(name=robot.name("wrist"), pos=[0.09, 0, 0.0], fovy=75.0)
        tilt = math.radians(18)
        _aim(wrist, [0.0, 1.0, 0.0, math.cos(tilt), 0.0, math.sin(tilt)])
    return spec


def _right_and_up(view: View) -> list[float]:
    """Right and up axes of the image in the world frame."""
    forward = np.subtract(view.target, view.eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    up = np.cross(right, forward)
    return [*(right / np.linalg.norm(right)), *(up / np.linalg.norm(up))]


def _aim(camera: mujoco.MjsCamera, xyaxes: list[float]) -> None:
    """Sets the camera's orientation from the image's right and up axes in the frame of its body."""
    camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_XYAXES
    camera.alt.xyaxes = xyaxes
