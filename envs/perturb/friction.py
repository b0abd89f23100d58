"""Surfaces with more or less friction."""

import numpy as np

from ..perturbation import Perturbation, factor
from ..task import Task
from ..world import Scenario, World


class Friction(Perturbation):
    """Change of all friction coefficients by 10% per level."""

    fields = ("geom_friction",)
    affects = frozenset[str]()

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Scales the friction of every geom, since in a contact one side's alone may count."""
        world.model.geom_friction[:] *= factor(level, 0.1, rng)
        return scenario
