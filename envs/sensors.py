"""Sensors: observations of a scene, current or delayed by a number of control steps."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from jaxtyping import Float, Float64, Shaped, UInt8

from ..common.errors import InputError
from ..common.registry import check_name
from . import rendering
from .gl import mujoco
from .instruction_space import InstructionSpace
from .robot import RobotIndex

STATE_KIND = int(mujoco.mjtState.mjSTATE_FULLPHYSICS) | int(mujoco.mjtState.mjSTATE_USERDATA)
"""Contents of a stored state; few tasks have user data."""


class Sensors:
    """Cameras and proprioception of one model. Images are upright uint8 RGB."""

    def __init__(
        self,
        model: mujoco.MjModel,
        robots: Sequence[RobotIndex],
        views: Sequence[str],
        cameras: Sequence[str],
        image_size: int,
        quality: str,
    ) -> None:
        """Sets up the cameras.

        Args:
            model: compiled model.
            robots: arms whose state is observed, in order.
            views: all cameras of the scene.
            cameras: the cameras to observe.
            image_size: side length of their images [pixels].
            quality: quality of their images, one of `rendering.QUALITIES`.

        Raises:
            ValueError: unknown camera or quality, or an image that no buffer holds.
        """
        self.cameras = tuple(check_name("camera", name, views) for name in cameras)
        self.quality = check_name("quality", quality, rendering.QUALITIES)
        largest = rendering.QUALITIES[quality].width
        if not (isinstance(image_size, int) and 8 <= image_size <= largest):
            raise InputError(f"image_size {image_size!r} is not a whole number of pixels from 8 to {largest}")
        self.image_size = image_size
        self._model, self._robots = model, robots
        self._ids = {name: mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, name) for name in views}
        self._renderers: dict[str, rendering.Renderer] = {}
        self._past: deque[tuple[np.ndarray, np.ndarray]] = deque()
        self._delay = 0

    def space(self, state_dim: int) -> spaces.Dict:
        """Space of observations with proprioception of length `state_dim`."""
        image = spaces.Box(0, 255, (self.image_size, self.image_size, 3), np.uint8)
        return spaces.Dict(
            {
                "pixels": spaces.Dict({name: image for name in self.cameras}),
                "agent_pos": spaces.Box(-4.0, 4.0, (state_dim,), np.float32),
                "instruction": InstructionSpace(),
            }
        )

    def begin(self, data: mujoco.MjData, delay: int) -> None:
        """Starts an episode whose observations are `delay` control steps old, or as old as the episode at
        first."""
        self._delay, self._past = delay, deque(maxlen=delay + 1)
        self.note(data)

    def note(self, data: mujoco.MjData) -> None:
        """Records the current state; to be called after every control step."""
        if self._delay:
            self._past.append((physics_state(self._model, data), self._model.geom_rgba.copy()))

    def past(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Observations that a delay has yet to show, for `restore`. No array in it is ever written to."""
        return tuple(self._past)

    def restore(self, past: tuple[tuple[np.ndarray, np.ndarray], ...]) -> None:
        """Continues the present episode from what `past` gave earlier in it."""
        self._past = deque(past, maxlen=self._delay + 1)

    def observe(self, data: mujoco.MjData, *, render: bool = True) -> dict[str, Any]:
        """Observation {"pixels": {camera: [h, w, 3]}, "agent_pos": float32 [s]}; `render`: with images."""
        if not self._delay:
            return self._observe(data, render)
        state, colors = self._past[0]
        data, now = mujoco.MjData(self._model), self._model.geom_rgba.copy()
        mujoco.mj_setState(self._model, data, state, STATE_KIND)
        refresh(self._model, data)
        self._model.geom_rgba[:] = colors  # some tasks paint what has been done
        seen = self._observe(data, render)
        self._model.geom_rgba[:] = now
        return seen

    def _observe(self, data: mujoco.MjData, render: bool) -> dict[str, Any]:
        size, cameras = self.image_size, self.cameras if render else ()
        agent_pos = np.concatenate([robot.state(data) for robot in self._robots])
        pixels = {name: self.frame(data, name, size, size, self.quality) for name in cameras}
        return {"pixels": pixels, "agent_pos": agent_pos}

    def frame(
        self, data: mujoco.MjData, camera: str, width: int, height: int, quality: str
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Renders one image."""
        if quality not in self._renderers:
            self._renderers[quality] = rendering.acquire(
                self._model, check_name("quality", quality, rendering.QUALITIES)
            )
        return self._renderers[quality].render(self._model, data, self._id(camera), width, height)

    def project(
        self, data: mujoco.MjData, points_w: Shaped[np.ndarray, "n 3"], camera: str, width: int, height: int
    ) -> Float[np.ndarray, "n 2"]:
        """Pixels (x, y) of world points [m] in an image of that size."""
        return rendering.project(self._model, data, self._id(camera), points_w, width, height)

    def close(self) -> None:
        """Frees the OpenGL contexts that nobody else in this process uses."""
        for renderer in self._renderers.values():
            rendering.release(renderer)
        self._renderers.clear()

    def _id(self, camera: str) -> int:
        return self._ids[check_name("camera", camera, self._ids)]


def physics_state(model: mujoco.MjModel, data: mujoco.MjData) -> Float64[np.ndarray, " q"]:
    """State vector of mjSTATE_FULLPHYSICS and mjSTATE_USERDATA."""
    state = np.empty(mujoco.mj_stateSize(model, STATE_KIND))
    mujoco.mj_getState(model, data, state, STATE_KIND)
    return state


def refresh(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Updates positions to the current state; mj_step leaves them one physics step behind."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
