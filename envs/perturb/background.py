"""The table has another colour, and so has what is seen beyond its edge."""

import numpy as np

from ..gl import mujoco
from ..perturbation import Perturbation
from ..task import Task
from ..world import Scenario, World

FLOOR = -0.75
"""Height of the floor that hides the sky [m]."""
SKY = (0.69, 0.73, 0.78)
"""Colour in which a lit floor looks like the sky."""


class Background(Perturbation):
    """15 % of the way to a random colour for each level, for each of the two.

    A front camera sees beyond the table only where another axis moves it; `overview` sees some of it.
    """

    fields = ("geom_rgba",)
    affects = frozenset({"images"})

    def edit(self, spec: mujoco.MjSpec) -> None:
        """Adds a floor, unseen as long as the axis is off."""
        spec.worldbody.add_body(name="floor", pos=[0, 0, FLOOR]).add_geom(
            name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[5, 5, 1],
            rgba=[*SKY, 0], contype=0, conaffinity=0,
        )  # fmt: skip

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Paints table and floor."""
        rgba = world.model.geom_rgba
        for name in ("table", "floor"):
            geom = mujoco.mj_name2id(world.model, mujoco.mjtObj.mjOBJ_GEOM, name)
            rgba[geom, :3] += 0.15 * level * (rng.uniform(size=3) - rgba[geom, :3])
            rgba[geom, 3] = 1.0
        return scenario
