"""Everything is more slippery, or less."""

import numpy as np

from ..perturbation import Perturbation, factor
from ..task import Task
from ..world import Scenario, World


class Friction(Perturbation):
    """10 % of all friction coefficients for each level."""

    fields = ("geom_friction",)
    affects = frozenset[str]()

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Scales the friction of every geom: in a contact one side's alone may count."""
        world.model.geom_friction[:] *= factor(level, 0.1, rng)
        return scenario
