"""Different colors of the table and of what is visible beyond its edge."""

import numpy as np

from ..gl import mujoco
from ..perturbation import Perturbation
from ..task import Task
from ..world import Scenario, World

FLOOR = -0.75
"""Height of the floor that hides the sky [m]."""
SKY = (0.69, 0.73, 0.78)
"""Color in which a lit floor looks like the sky."""


class Background(Perturbation):
    """Moves both colors 15% of the way to a random color per level.

    A front camera sees beyond the table only if another perturbation moves it; `overview` sees some of it.
    """

    fields = ("geom_rgba",)
    affects = frozenset({"images"})

    def edit(self, spec: mujoco.MjSpec) -> None:
        """Adds a floor that is invisible while the perturbation is off."""
        spec.worldbody.add_body(name="floor", pos=[0, 0, FLOOR]).add_geom(
            name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[5, 5, 1],
            rgba=[*SKY, 0], contype=0, conaffinity=0,
        )  # fmt: skip

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Paints the table and the floor."""
        rgba = world.model.geom_rgba
        for name in ("table", "floor"):
            geom = mujoco.mj_name2id(world.model, mujoco.mjtObj.mjOBJ_GEOM, name)
            rgba[geom, :3] += 0.15 * level * (rng.uniform(size=3) - rgba[geom, :3])
            rgba[geom, 3] = 1.0
        return scenario
