"""Window for watching an environment: MuJoCo's own viewer, on a copy of the state."""

import sys
import time
import warnings

from .gl import NoRenderingError, mujoco


class Viewer:
    """Shows one model until it or its window is closed.

    The mouse turns the view. The window shows a copy, so pushing objects with the mouse changes no episode.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        """Opens the window.

        Raises:
            NoRenderingError: there is no display, or (macOS) the program was not started by `mjpython`.
        """
        _check_display()
        self._model = model
        self._shown = mujoco.MjData(model)
        try:
            from mujoco.viewer import launch_passive

            self._window = launch_passive(model, self._shown, show_left_ui=False, show_right_ui=False)
        except RuntimeError as error:
            raise NoRenderingError(f'render_mode "human" cannot open a window: {error}') from error
        self._next = time.monotonic()

    def show(self, data: mujoco.MjData, seconds: float) -> None:
        """Shows the state of `data`, `seconds` after the last one, or immediately if that time has passed."""
        if not self._window.is_running():
            return
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + seconds
        with self._window.lock():
            mujoco.mj_copyData(self._shown, self._model, data)
        self._window.sync()

    def close(self) -> None:
        """Closes the window."""
        self._window.close()


def _check_display() -> None:
    if sys.platform == "darwin":  # the window system is always there, and is asked by mjpython alone
        return
    import glfw

    with warnings.catch_warnings(record=True) as said:  # that is how glfw reports errors
        warnings.simplefilter("always")
        works = glfw.init()
    if not works:
        reason = f" ({said[-1].message})" if said else ""
        raise NoRenderingError(
            f'render_mode "human" needs a display, and there is none{reason}; '
            'valid without one: render_mode="rgb_array"'
        )
