"""Snapshot: a moment of an episode from which it can go on again, exactly."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from .controller import ControllerState


@dataclass(frozen=True)
class Snapshot:
    """Complete state that a control step changes, for `ManipulationEnv.snapshot` and `restore`.

    `physics_state` is less: commands in flight, the solver's warm start and contacts are not in it, nor the
    command that delta actions count from, nor how long success has lasted.
    """

    episode: object
    """Identity of the episode; what `reset` decides (scene, instruction, perturbations) belongs to it."""
    data: Any
    """A copy of the `mujoco.MjData`."""
    geom_rgba: Float32[np.ndarray, "g 4"]
    """Colors of the geoms: some tasks paint what has been done."""
    controller: ControllerState
    past: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Observations that a delay has yet to show (see `Sensors`)."""
    clock: tuple[int, int, bool, float, Float[np.ndarray, " r"]]
    """Control steps done and for how many of them success has lasted, whether the task is lost, progress, and
    the command that actions of a "relative" space count from."""
