"""Things that nobody asked for stand on the table, away from those that matter."""

from typing import Any

import numpy as np

from ..axis import LEVELS, Axis
from ..gl import mujoco
from ..placement import WORKSPACE
from ..task import Scenario, Task, World

SIZE = 0.022
"""Half size [m]."""
GAP = 0.05
"""Free space around each [m]."""
HIDDEN = (0.0, 0.0, -1.0)
"""Where those that are not shown wait [m]."""
TRIES = 200
"""Places tried for each; one that fits nowhere stays hidden."""


class Distractors(Axis):
    """One more for each level: balls, cylinders and ellipsoids in grey and purple shades."""

    fields = ("body_pos", "geom_rgba")
    affects = frozenset({"images"})

    def edit(self, spec: Any) -> None:
        """Adds as many fixed bodies as the highest level shows."""
        kinds = (
            mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_ELLIPSOID,
        )  # fmt: skip
        for number in range(len(LEVELS)):
            body = spec.worldbody.add_body(name=f"distractor_{number}", pos=HIDDEN)
            size = [SIZE, SIZE * (1 + 0.2 * number), SIZE]
            body.add_geom(type=kinds[number % 3], size=size, contype=1, conaffinity=1)

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Places and paints `level` of them."""
        model, data = world.model, world.data
        mujoco.mj_kinematics(model, data)
        robots = {model.body_rootid[model.site_bodyid[robot.site]] for robot in world.robots}
        solid = [
            geom
            for geom in range(model.ngeom)
            if model.body_rootid[model.geom_bodyid[geom]] not in robots and model.geom_rbound[geom] > 0
        ]
        taken = [(*data.geom_xpos[geom, :2], model.geom_rbound[geom]) for geom in solid]
        for number in range(level):
            body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, f"distractor_{number}")
            shade = rng.uniform(0.15, 0.85)
            model.geom_rgba[model.body_geomadr[body]] = [shade, 0.6 * shade, shade, 1.0]
            for _ in range(TRIES):
                place = rng.uniform(WORKSPACE[0] - 0.03, WORKSPACE[1] + 0.03)
                if all(np.hypot(place[0] - x, place[1] - y) > r + SIZE + GAP for x, y, r in taken):
                    model.body_pos[body] = [*place, SIZE]
                    taken.append((*place, SIZE))
                    break
        return scenario
