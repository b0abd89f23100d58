"""Objects are heavier or lighter."""

import numpy as np

from ..axis import Axis, factor, movable_bodies
from ..task import Scenario, Task, World


class Mass(Axis):
    """20 % for each level, one factor for all objects of a scene."""

    fields = ("body_mass", "body_inertia")
    affects = frozenset({"physics"})  # things settle a little differently

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Scales mass and inertia of every movable body."""
        scale, bodies = factor(level, 0.2, rng), movable_bodies(world.model)
        world.model.body_mass[bodies] *= scale
        world.model.body_inertia[bodies] *= scale
        return scenario
