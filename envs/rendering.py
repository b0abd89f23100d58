"""Rendering: upright uint8 images of a model, with one OpenGL context per process, model structure and
quality.

There are three qualities. "fast", the default for policies, has no shadow map, reflections or multisampling
(each would cost more than the rest of the frame in software rendering). "shadow" adds a small shadow map,
which makes heights visible, at several times the cost. "pretty" is for people.

A context is current only while something is drawn, under a lock: threads may share it, and a fork waits until
nothing is being drawn.
"""

import atexit
import functools
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..common.errors import InputError
from ..common.registry import check_name
from .gl import NoRenderingError, forget_display, make_context, mujoco, no_rendering, survives_fork


@dataclass(frozen=True)
class Quality:
    """Settings that an OpenGL context fixes."""

    shadow_size: int
    """Side of the shadow map [pixels]; 0 draws no shadows."""
    samples: int
    """Samples per pixel; 0 turns multisampling off."""
    width: int
    height: int
    """Height of the largest image [pixels]."""


SMALLEST = (64, 64)
"""Width and height of a renderer's first buffer [pixels]."""
QUALITIES = {
    "fast": Quality(shadow_size=0, samples=0, width=512, height=512),
    "shadow": Quality(shadow_size=512, samples=0, width=512, height=512),
    "pretty": Quality(shadow_size=2048, samples=4, width=1280, height=1280),
}
HIDDEN = 5
"""Geom group that `mujoco.MjvOption` hides by default; it shows groups 0 to 2."""
_renderers: dict[tuple[int, str], "Renderer"] = {}
_lock = threading.RLock()
"""Lock held while a context is current and while renderers are counted."""


class _Fork:
    """Rendering history of this process and its ancestors."""

    has_rendered = False
    survives = False
    """True if the driver's contexts can be used in a forked process."""
    is_broken = False
    """True if this process was forked from one that had rendered, with a driver that does not survive it."""


def _after_fork_in_child() -> None:
    _lock.release()
    if not _Fork.has_rendered:
        return
    if _Fork.survives:
        atexit.register(forget_display)  # after mujoco's own exit hook, hence run before it
    else:
        _Fork.is_broken = True
        forget_display()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork_in_child
    )


def _check_process() -> None:
    if _Fork.is_broken:
        raise NoRenderingError(
            "this process was forked from one that had rendered, which its OpenGL driver does not survive; "
            'start processes with multiprocessing\'s context "spawn" or "forkserver" (gymnasium.make_vec: '
            'vector_kwargs={"context": "spawn"}), or fork before the first picture'
        )


class Renderer:
    """Draws any model of one structure (same signature): colors and poses may differ, meshes may not."""

    def __init__(self, model: mujoco.MjModel, quality: str) -> None:
        self._quality = QUALITIES[check_name("quality", quality, QUALITIES)]
        self.users = 0
        vis = model.vis
        saved = (vis.quality.shadowsize, vis.quality.offsamples, vis.global_.offwidth, vis.global_.offheight)
        with _lock:
            self._gl = make_context(*SMALLEST)
        with self._current():
            try:
                # MjrContext reads these from the model; flags alone would still allocate and fill the
                # buffers.
                vis.quality.shadowsize, vis.quality.offsamples = (
                    self._quality.shadow_size,
                    self._quality.samples,
                )
                vis.global_.offwidth, vis.global_.offheight = SMALLEST
                self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
            except mujoco.FatalError as error:  # glfw without a display makes a context that is none
                raise no_rendering(error) from error
            finally:
                vis.quality.shadowsize, vis.quality.offsamples = saved[:2]
                vis.global_.offwidth, vis.global_.offheight = saved[2:]
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
            if not _Fork.has_rendered:
                _Fork.has_rendered, _Fork.survives = True, survives_fork()
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        shadows = self._quality.shadow_size > 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._perturb = mujoco.MjvPerturb()

    @contextmanager
    def _current(self) -> Iterator[None]:
        """Makes the context current for this thread only."""
        with _lock, self._gl.as_current():
            yield

    def render(
        self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, width: int, height: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Image seen by fixed camera number `camera`.

        Raises:
            ValueError: the image is larger than this quality's buffer.
            NoRenderingError: this process was forked from one that had rendered, and its OpenGL driver does
                not survive that.
        """
        limit = self._quality
        if not (0 < width <= limit.width and 0 < height <= limit.height):
            raise InputError(
                f"image {width}x{height} does not fit; valid: 1x1 to {limit.width}x{limit.height}"
            )
        _check_process()
        with self._current():
            return self._draw(model, data, camera, width, height)

    def _draw(
        self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, width: int, height: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        self._make_room(width, height)
        self._camera.fixedcamid = camera
        groups = model.geom_group.copy()
        try:
            if not self._quality.shadow_size:  # what is not seen may throw a shadow that is
                model.geom_group[unseen(model, data, camera, width / height)] = HIDDEN
            everything = mujoco.mjtCatBit.mjCAT_ALL.value
            mujoco.mjv_updateScene(
                model, data, self._option, self._perturb, self._camera, everything, self._scene
            )
        finally:
            model.geom_group[:] = groups
        rect = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rect, self._scene, self._context)
        pixels = np.empty((height, width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, rect, self._context)
        return pixels[::-1].copy()  # OpenGL counts rows from the bottom

    def _make_room(self, width: int, height: int) -> None:
        """Enlarges the buffer to the largest image so far, not more: all of it is cleared for every image."""
        room = self._context.offWidth, self._context.offHeight
        if width > room[0] or height > room[1]:
            mujoco.mjr_resizeOffscreen(max(width, room[0]), max(height, room[1]), self._context)

    def free(self) -> None:
        """Releases the OpenGL context while its display still exists."""
        if _Fork.is_broken:  # the context is another process's
            return
        with self._current():
            self._context.free()
        with _lock:
            self._gl.free()


def acquire(model: mujoco.MjModel, quality: str) -> Renderer:
    """Returns the process's renderer for models like `model`; give it back with `release`."""
    _check_process()
    key = (model.signature, quality)
    with _lock:
        if key not in _renderers:
            _renderers[key] = Renderer(model, quality)
            # Registered after mujoco's own exit hook (created with the first context), hence run before it.
            atexit.unregister(_free_all)
            atexit.register(_free_all)
        renderer = _renderers[key]
        renderer.users += 1
    return renderer


def release(renderer: Renderer) -> None:
    """Frees `renderer` when its last user is gone."""
    with _lock:
        renderer.users -= 1
        if renderer.users == 0:
            for key in [key for key, value in _renderers.items() if value is renderer]:
                del _renderers[key]
            renderer.free()


def _free_all() -> None:
    for renderer in _renderers.values():
        renderer.free()
    _renderers.clear()


def unseen(model: mujoco.MjModel, data: mujoco.MjData, camera: int, aspect: float) -> Bool[np.ndarray, " g"]:
    """Geoms that are certainly outside an image with that ratio of width to height. Drawing them would cost
    as much as drawing what is visible, and most of an arm is behind its own camera."""
    rotation = data.cam_xmat[camera].reshape(3, 3)
    beyond = (data.geom_xpos - data.cam_xpos[camera]).dot(
        rotation.dot(_sides(model.cam_fovy.item(camera), aspect))
    )
    # Bounding sphere of the geom. Sizes may have been changed without the bound, and a plane has none.
    radius = np.maximum(model.geom_size.sum(axis=1), model.geom_rbound)
    return (beyond.max(axis=1) > radius) & (model.geom_rbound > 0)


@functools.lru_cache(maxsize=64)  # a perturbed field of view is another one in every episode
def _sides(fovy: float, aspect: float) -> Float[np.ndarray, "3 5"]:
    """Outward normals, in the camera's frame, of the sides of the viewing pyramid (right, left, top, bottom)
    and of the plane behind which nothing is visible."""
    up = math.tan(math.radians(fovy) / 2)
    across = up * aspect
    sides = np.array([[1, 0, across], [-1, 0, across], [0, 1, up], [0, -1, up], [0, 0, 1]])
    return (sides / np.linalg.norm(sides, axis=1, keepdims=True)).T


def project(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: int,
    points_w: Float[np.ndarray, "n 3"],
    width: int,
    height: int,
) -> Float[np.ndarray, "n 2"]:
    """Pixel coordinates (x right, y down, from the top left corner) of world points [m] in an image.

    Points outside the view fall outside the image; results for points behind the camera are meaningless.
    """
    rotation = data.cam_xmat[camera].reshape(3, 3)
    points_c = (points_w - data.cam_xpos[camera]) @ rotation  # x right, y up, looking along -z
    depth = np.maximum(-points_c[:, 2], 1e-6)
    focal = 0.5 * height / np.tan(np.deg2rad(model.cam_fovy[camera]) / 2)
    x = 0.5 * width + focal * points_c[:, 0] / depth
    y = 0.5 * height - focal * points_c[:, 1] / depth
    return np.stack([x, y], axis=1)
