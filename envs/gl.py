"""The one door to mujoco: picks an OpenGL backend, then imports it. Others say `from .gl import mujoco`.

mujoco reads MUJOCO_GL once, when it is imported, and on Linux defaults to a backend that needs a display.
Mesa's software renderer reads LP_NUM_THREADS once, with its first context: without threads of its own it is
as fast at the sizes that policies see, and a process forked after rendering does not wait for them for ever.
"""

import ctypes
import importlib
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CURE = "Install one with: apt-get install --no-install-recommends libegl1 libgl1"
BACKENDS = ("egl", "osmesa")
"""What renders without a display; glfw works too, with one."""


class NoRenderingError(ImportError):
    """No OpenGL context can be made on this machine; the message says what to do."""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def choose_backend(loads: Callable[[str], bool] = _loads) -> str:
    """Name of the offscreen backend whose libraries this Linux machine has: "egl", else "osmesa".

    Raises:
        NoRenderingError: neither is there; the message names the packages that cure it.
    """
    # PyOpenGL needs libGL even where EGL makes the context.
    if loads("libEGL.so.1") and loads("libGL.so.1"):
        return "egl"
    if loads("libOSMesa.so.8"):
        return "osmesa"
    raise NoRenderingError(f"MuJoCo cannot render: no offscreen OpenGL library was found. {CURE}")


def no_rendering(error: Exception) -> NoRenderingError:
    """What to tell the user when `error` came in the way of rendering."""
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
        # Somebody imported mujoco before MUJOCO_GL was set; the choice is all that this module holds.
        importlib.reload(gl_context)
# PyOpenGL raises AttributeError where a library is missing, mujoco RuntimeError for an unknown backend.
except (AttributeError, ImportError, RuntimeError) as error:
    raise no_rendering(error) from error


def survives_fork() -> bool:
    """Whether a process forked from this one can go on rendering; asked while a context is current.

    Only a software renderer that has no thread in this process is known to do so.
    """
    if os.environ["MUJOCO_GL"] not in BACKENDS:
        return False
    from OpenGL import GL

    driver = (GL.glGetString(GL.GL_RENDERER) or b"").decode()
    return driver.startswith(("llvmpipe", "softpipe")) and not any(
        name.startswith("llvmpipe-") for name in _thread_names()
    )


def _thread_names() -> list[str]:
    """Names of this process's threads, also of those that libraries started (Linux; elsewhere none)."""
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


def forget_display() -> None:
    """Keeps mujoco from using or terminating the display.

    In a forked process that would wait for a thread of the driver (Mesa's shader cache has one) which exists
    in its parent alone.
    """
    egl: Any = sys.modules.get("mujoco.egl")
    if egl is not None:
        egl.EGL_DISPLAY = None


def make_context(width: int, height: int) -> Any:
    """An offscreen OpenGL context for images of up to that size [pixels].

    Raises:
        NoRenderingError: the library is there, but no driver makes a context.
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
