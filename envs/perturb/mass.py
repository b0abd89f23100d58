"""Heavier or lighter objects."""

import numpy as np

from ..perturbation import Perturbation, factor, movable_bodies
from ..task import Task
from ..world import Scenario, World


class Mass(Perturbation):
    """Change of mass by 20% per level, with one factor for all objects of a scene."""

    fields = (
        "body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0",
    )  # fmt: skip
    affects = frozenset[str]()
    of_objects = True

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Scales the mass and inertia of every movable body."""
        scale, bodies = factor(level, 0.2, rng), movable_bodies(world.model)
        model = world.model
        for array in (model.body_mass, model.body_inertia, model.body_subtreemass):
            array[bodies] *= scale
        # MuJoCo computes these only when it compiles: how hard contacts push and how inert a body is by
        # itself.
        dofs = np.isin(model.dof_bodyid, bodies)
        model.body_invweight0[bodies] /= scale
        model.dof_invweight0[dofs] /= scale
        model.dof_M0[dofs] *= scale
        return scenario
