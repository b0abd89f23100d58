"""Longer and narrower, or shorter and wider, objects than in training."""

import numpy as np

from ..perturbation import Perturbation, factor
from ..task import Task
from ..world import Scenario, World
from .object_size import ObjectSize, scale_geoms


class ObjectShape(Perturbation):
    """Objects longer by 5% per level along their x axis and as much narrower along y; heights stay."""

    fields = ObjectSize.fields
    affects = frozenset({"images"})
    of_objects = True

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Stretches every movable object."""
        stretch = factor(level, 0.05, rng)
        scale_geoms(world, np.array([stretch, 1 / stretch, 1.0]))
        return scenario
