"""Different shades of the objects' colors."""

import numpy as np

from ..perturbation import Perturbation, object_geoms
from ..task import Task
from ..world import Scenario, World


class ObjectColour(Perturbation):
    """Change of brightness by up to 6% per color channel and level, drawn per object."""

    fields = ("geom_rgba",)
    affects = frozenset({"images"})
    of_objects = True

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Repaints every movable object."""
        geoms = object_geoms(world.model)
        shift = rng.uniform(-1, 1, size=(len(geoms), 3)) * 0.06 * level
        world.model.geom_rgba[geoms, :3] = np.clip(world.model.geom_rgba[geoms, :3] + shift, 0, 1)
        return scenario
