"""Brighter or darker, tinted light from other directions."""

import numpy as np

from ..perturbation import Perturbation, factor
from ..task import Task
from ..world import Scenario, World


class Light(Perturbation):
    """Change of brightness by 20%, of tint by 6% and of direction by 0.12 rad per level."""

    fields = ("light_diffuse", "light_dir")
    affects = frozenset({"images"})

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Changes every light of the scene."""
        model = world.model
        tint = rng.uniform(-1, 1, size=3) * 0.06 * level
        model.light_diffuse[:] = np.clip(model.light_diffuse * factor(level, 0.2, rng) * (1 + tint), 0, 1)
        model.light_dir[:] += rng.normal(size=3) * 0.12 * level
        model.light_dir[:] /= np.linalg.norm(model.light_dir, axis=1, keepdims=True)
        return scenario
