"""The table has another colour."""

import numpy as np

from ..axis import Axis
from ..gl import mujoco
from ..task import Scenario, Task, World


class Background(Axis):
    """15 % of the way to a random colour for each level."""

    fields = ("geom_rgba",)
    affects = frozenset({"images"})

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Paints the table."""
        table = mujoco.mj_name2id(world.model, mujoco.mjtObj.mjOBJ_GEOM, "table")
        world.model.geom_rgba[table, :3] += (
            0.15 * level * (rng.uniform(size=3) - world.model.geom_rgba[table, :3])
        )
        return scenario
