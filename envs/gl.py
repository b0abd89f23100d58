"""The only way to import mujoco: picks an OpenGL backend first. Other modules write `from .gl import mujoco`.

mujoco reads MUJOCO_GL once, when it is imported, and on Linux defaults to a backend that needs a display.
Mesa's software renderer reads LP_NUM_THREADS once, with its first context: without threads of its own it is
as fast at the sizes that policies see, and a process forked after rendering does not wait for them forever.
"""

import ctypes
import importlib
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..common.errors import VlaError

CURE = "Install one with: apt-get install --no-install-recommends libegl1 libgl1"
BACKENDS = ("egl", "osmesa")
"""Backends that render without a display; glfw also works, with one."""


class NoRenderingError(VlaError, ImportError):
    """Error about a machine on which no OpenGL context can be created; the message says what to do."""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def choose_backend(loads: Callable[[str], bool] = _loads) -> str:
    """Name of the offscreen backend whose libraries this Linux machine has: "egl", otherwise "osmesa".

    Raises:
        NoRenderingError: neither is available; the message names the packages to install.
    """
    # PyOpenGL needs libGL even where EGL makes the context.
    if loads("libEGL.so.1") and loads("libGL.so.1"):
        return "egl"
    if loads("libOSMesa.so.8"):
        return "osmesa"
    raise NoRenderingError(f"MuJoCo cannot render: no offscreen OpenGL library was found. {CURE}")


def no_rendering(error: Exception) -> NoRenderingError:
    """Error for the user when `error` prevented rendering."""
    backend = os.environ.get("MUJOCO_GL")
    return NoRenderingError(
        f"MuJoCo cannot render with MUJOCO_GL={backend}: {error}. "
        f"Unset it (valid without a display: {', '.join(BACKENDS)}), or install its library. {CURE}"
    )


os.environ.setdefault("LP_NUM_THREADS", "0")
_chosen = platform.system() == "Linux" and not os.environ.get("MUJOCO_GL")
if _chosen:
    os.environ["MUJOCO_GL"] = choose_backend()
_imported_before = "mujoco" in sys.modules

try:
    import mujoco
    from mujoco.rendering.classic import gl_context

    if _chosen and _imported_before:
        # Somebody imported mujoco before MUJOCO_GL was set; this module holds nothing but that choice.
        importlib.reload(gl_context)
# PyOpenGL raises AttributeError where a library is missing; mujoco raises RuntimeError for an unknown
# backend.
except (AttributeError, ImportError, RuntimeError) as error:
    raise no_rendering(error) from error


def survives_fork() -> bool:
    """True if a process forked from this one can keep rendering; to be called while a context is current.

    Only a software renderer without a thread in this process is known to do so.
    """
    if os.environ["MUJOCO_GL"] not in BACKENDS:
        return False
    from OpenGL import GL

    driver = (GL.glGetString(GL.GL_RENDERER) or b"").decode()
    return driver.startswith(("llvmpipe", "softpipe")) and not any(
        name.startswith("llvmpipe-") for name in _thread_names()
    )


def _thread_names() -> list[str]:
    """Names of this process's threads, including those that libraries started (Linux; empty elsewhere)."""
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


def forget_display() -> None:
    """Keeps mujoco from using or terminating the display.

    In a forked process, that would wait for a thread of the driver (Mesa's shader cache has one) which exists
    only in the parent.
    """
    egl: Any = sys.modules.get("mujoco.egl")
    if egl is not None:
        egl.EGL_DISPLAY = None


def make_context(width: int, height: int) -> Any:
    """Creates an offscreen OpenGL context for images of up to the given size [pixels].

    Raises:
        NoRenderingError: the library is present, but no driver can create a context.
    """
    try:
        return gl_context.GLContext(width, height)
    except Exception as error:  # each backend raises its own types
        raise no_rendering(error) from error


__all__ = [
    "NoRenderingError",
    "choose_backend",
    "forget_display",
    "make_context",
    "mujoco",
    "no_rendering",
    "survives_fork",
]
