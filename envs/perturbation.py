"""Perturbation: one factor in which an episode may differ from the nominal one, at levels 1 (mild) to 5
(harsh).

All else of the episode stays as it is for the same seed: a perturbation draws from a stream of random
numbers of its own, so that the nominal episode is its control arm. Implementations live in perturb/.
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
    """Does nothing; each perturbation overrides what it changes."""

    fields: ClassVar[tuple[str, ...]] = ()
    """Arrays of `mujoco.MjModel` that `scene` writes to; they are restored before every episode."""
    affects: ClassVar[frozenset[str]]
    """What differs at the start of an episode: of "images", "state" (proprioception), "instruction" and
    "physics" (the simulator's state, as far as things can move). Empty for perturbations that show later."""
    of_objects: ClassVar[bool] = False
    """Whether it changes the objects that can be moved, and so needs some."""

    def lacks(self, task: Task, model: mujoco.MjModel) -> str:
        """What a task would need for this and has not, as "no movable objects"; empty if it has all."""
        return "no movable objects" if self.of_objects and not len(movable_bodies(model)) else ""

    def edit(self, spec: mujoco.MjSpec) -> None:  # noqa: B027
        """Adds to a scene (`mujoco.MjSpec`) before it is compiled."""

    def spread(self, level: int) -> float:
        """Factor on the areas from which the task places objects."""
        return 1.0

    def wording(self, level: int) -> Wording | None:
        """How to put the instruction; None leaves it."""
        return None

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Changes the scene that `task` has just drawn, before it settles; returns the scenario to use."""
        return scenario

    def observe(self, observation: dict[str, Any], level: int, rng: np.random.Generator) -> dict[str, Any]:
        """What is observed in place of `observation`."""
        return observation

    def observation_delay(self, level: int) -> float:
        """Age of what is observed [s]."""
        return 0.0

    def action_delay(self, level: int) -> float:
        """Time from an action to its execution [s]."""
        return 0.0


def movable_bodies(model: mujoco.MjModel) -> np.ndarray:
    """Bodies on a free joint: the objects of a scene."""
    free = model.jnt_type == int(mujoco.mjtJoint.mjJNT_FREE)
    return model.jnt_bodyid[free]


def object_geoms(model: mujoco.MjModel) -> np.ndarray:
    """Geoms of the movable bodies that are switched on."""
    return np.flatnonzero(np.isin(model.geom_bodyid, movable_bodies(model)) & (model.geom_rgba[:, 3] > 0))


def factor(level: int, step: float, rng: np.random.Generator) -> float:
    """A factor away from 1 by `step` for each level, up or down, equally far in logarithm."""
    size = 1.0 + step * level
    return size if rng.random() < 0.5 else 1.0 / size
