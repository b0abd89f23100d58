"""Perturbation: one factor in which an episode may differ from the nominal one, at levels 1 (mild) to 5
(harsh).

Everything else about the episode stays the same for the same seed: a perturbation draws from its own stream
of random numbers, so the nominal episode is its control. Implementations live in perturb/.
"""

from abc import ABC
from typing import Any, ClassVar

import numpy as np

from .gl import mujoco
from .language import Wording
from .task import Task
from .world import Scenario, World

LEVELS = range(1, 6)


class Perturbation(ABC):
    """Base class that changes nothing; each perturbation overrides what it changes."""

    fields: ClassVar[tuple[str, ...]] = ()
    """Arrays of `mujoco.MjModel` that `scene` writes to; they are restored before every episode."""
    affects: ClassVar[frozenset[str]]
    """Parts that differ at the start of an episode: any of "images", "state" (proprioception), "instruction"
    and "physics" (the simulator's state, as far as things can move). Empty for perturbations that show
    later."""
    of_objects: ClassVar[bool] = False
    """True if it changes the movable objects, and so needs some."""

    def lacks(self, task: Task, model: mujoco.MjModel) -> str:
        """Requirement of this perturbation that the task lacks, e.g. "no movable objects"; empty if it is
        supported."""
        return "no movable objects" if self.of_objects and not len(movable_bodies(model)) else ""

    def edit(self, spec: mujoco.MjSpec) -> None:  # noqa: B027
        """Adds to a scene before it is compiled."""

    def spread(self, level: int) -> float:
        """Factor on the areas in which the task places objects."""
        return 1.0

    def wording(self, level: int) -> Wording | None:
        """Wording of the instruction; None leaves it unchanged."""
        return None

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Changes the scene that `task` has just drawn, before it settles; returns the scenario to use."""
        return scenario

    def observe(self, observation: dict[str, Any], level: int, rng: np.random.Generator) -> dict[str, Any]:
        """Observation that replaces `observation`."""
        return observation

    def observation_delay(self, level: int) -> float:
        """Age of the observation [s]."""
        return 0.0

    def action_delay(self, level: int) -> float:
        """Time from an action to its execution [s]."""
        return 0.0


def movable_bodies(model: mujoco.MjModel) -> np.ndarray:
    """Body ids of the movable objects, which have a free joint."""
    free = model.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE)
    return model.jnt_bodyid[free]


def object_geoms(model: mujoco.MjModel) -> np.ndarray:
    """Geom ids of the movable bodies that are switched on."""
    return np.flatnonzero(np.isin(model.geom_bodyid, movable_bodies(model)) & (model.geom_rgba[:, 3] > 0))


def factor(level: int, step: float, rng: np.random.Generator) -> float:
    """Factor that differs from 1 by `step` per level, up or down, equally far in logarithm."""
    size = 1.0 + step * level
    return size if rng.random() < 0.5 else 1.0 / size
