"""Spring: pulls at a point of a body towards the pointer, like the mouse in MuJoCo's own viewer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ...envs.gl import mujoco

FREQUENCY = 12.0
"""Natural frequency of an object on the spring [rad/s]."""
FARTHEST = 60.0
"""Largest acceleration of an object [m/s^2]."""
ARM_STIFFNESS, ARM_FORCE = 2000.0, 400.0
"""Spring at a link of an arm, which its servos hold [N/m], and its largest force [N]."""
KICK_SPEED = 0.8
"""Speed that a kick adds to an object [m/s]."""


@dataclass(frozen=True)
class Ray:
    """A line of sight through a pixel."""

    origin: Float[np.ndarray, " 3"]
    direction: Float[np.ndarray, " 3"]
    """Direction, of length 1."""
    forward: Float[np.ndarray, " 3"]
    """Viewing direction of the camera, of length 1."""

    @staticmethod
    def through(model: Any, data: Any, camera: str, x: float, y: float) -> "Ray":
        """The line of sight through (x, y) in [0, 1], (0, 0) top left, of a square picture."""
        number = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
        rotation = data.cam_xmat[number].reshape(3, 3)
        up = np.tan(np.deg2rad(model.cam_fovy[number]) / 2)
        local = np.array([(2 * x - 1) * up, (1 - 2 * y) * up, -1.0])
        direction = rotation @ local
        return Ray(data.cam_xpos[number].copy(), direction / np.linalg.norm(direction), -rotation[:, 2])

    def hit(self, model: Any, data: Any) -> tuple[int, Float[np.ndarray, " 3"]] | None:
        """The body that is seen there, and where; None: nothing."""
        geom = np.full((1, 1), -1, np.int32)
        distance = mujoco.mj_ray(
            model, data, self.origin[:, None], self.direction[:, None], None, True, -1, geom
        )
        if geom[0, 0] < 0:
            return None
        return int(model.geom_bodyid[geom[0, 0]]), self.origin + distance * self.direction

    def at_depth(self, point: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
        """Point at which the line crosses the plane through `point` that faces the camera."""
        depth = (point - self.origin) @ self.forward
        return self.origin + self.direction * depth / max(float(self.direction @ self.forward), 1e-6)


def is_movable(model: Any, body: int) -> bool:
    """Whether a force can move a body: it hangs on a joint."""
    return int(model.body_weldid[body]) != 0


def is_free(model: Any, body: int) -> bool:
    """Whether a body is an object on a free joint."""
    joint = int(model.body_jntadr[body])
    return joint >= 0 and int(model.jnt_type[joint]) == int(mujoco.mjtJoint.mjJNT_FREE)


class Spring:
    """Between a point of a body and a place in the world that the pointer moves."""

    def __init__(self, model: Any, data: Any, body: int, point: Float[np.ndarray, " 3"]) -> None:
        self.body = body
        rotation = data.xmat[body].reshape(3, 3)
        self._local = rotation.T @ (point - data.xpos[body])
        self.target = point.copy()
        """[m, world]"""
        self._mass = float(model.body_subtreemass[body])
        self._free = is_free(model, body)

    def point(self, data: Any) -> Float[np.ndarray, " 3"]:
        """Point of the body that it holds [m, world]."""
        return data.xpos[self.body] + data.xmat[self.body].reshape(3, 3) @ self._local

    def apply(self, model: Any, data: Any) -> None:
        """Sets the force on the body for the next physics steps."""
        point = self.point(data)
        stretch = self.target - point
        if self._free:
            velocity = np.zeros(6)
            kind = int(mujoco.mjtObj.mjOBJ_BODY)
            mujoco.mj_objectVelocity(model, data, kind, self.body, velocity, 0)
            wanted = FREQUENCY**2 * stretch - 2 * FREQUENCY * velocity[3:]
            # What hangs on the spring does not sink.
            force = self._mass * (_shortened(wanted, FARTHEST) - model.opt.gravity)
        else:
            force = _shortened(ARM_STIFFNESS * stretch, ARM_FORCE)
        data.xfrc_applied[self.body, :3] = force
        # Not the whole torque: a light object would spin around the point.
        lever = point - data.xipos[self.body]
        data.xfrc_applied[self.body, 3:] = (0.2 if self._free else 1.0) * np.cross(lever, force)

    def release(self, data: Any) -> None:
        """Ends the pull."""
        data.xfrc_applied[self.body] = 0.0


def kick(model: Any, data: Any, body: int, direction: Float[np.ndarray, " 3"]) -> None:
    """Gives an object a sudden speed along `direction`, which is not up or down [world]."""
    flat = np.array([direction[0], direction[1], 0.0])
    flat /= max(float(np.linalg.norm(flat)), 1e-6)
    at = int(model.jnt_dofadr[model.body_jntadr[body]])
    data.qvel[at : at + 3] += KICK_SPEED * flat


def _shortened(vector: Float[np.ndarray, " 3"], longest: float) -> Float[np.ndarray, " 3"]:
    return vector * min(1.0, longest / max(float(np.linalg.norm(vector)), 1e-9))
