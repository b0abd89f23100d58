"""Dropped: objects in reserve that a person can drop into a scene while it runs.

A perturbation of its own, so that a scene in which nothing was dropped is compiled without them and plays
exactly as in an evaluation.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from ...envs.gl import mujoco
from ...envs.perturbation import Perturbation
from ...envs.task import Task
from ...envs.world import Scenario, World

COUNT = 4
HEIGHT = 0.25
"""Height from which objects fall [m]."""
SIZE = 0.02
"""Half size [m]."""
COLORS = ((0.45, 0.25, 0.6), (0.9, 0.5, 0.15), (0.3, 0.6, 0.6), (0.55, 0.4, 0.3))


class Dropped(Perturbation):
    """Balls, boxes and cylinders that wait below the table, without weight and touching nothing."""

    fields = (
        "geom_contype", "geom_conaffinity", "geom_rgba", "body_contype", "body_conaffinity", "body_gravcomp",
    )  # fmt: skip
    affects = frozenset[str]()

    def edit(self, spec: Any) -> None:
        """Adds the reserve."""
        kinds = (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER)
        for number in range(COUNT):
            body = spec.worldbody.add_body(name=name(number), pos=(0.1 * number, 0.0, -1.0), gravcomp=1.0)
            body.add_freejoint()
            body.add_geom(
                type=kinds[number % 3], size=[SIZE, SIZE, SIZE], contype=0, conaffinity=0, density=400.0,
                rgba=[*COLORS[number], 0.0], friction=[0.8, 0.02, 0.001],
            )  # fmt: skip

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Leaves them where they wait."""
        return scenario


def name(number: int) -> str:
    """Name of the body in the model."""
    return f"dropped_{number}"


def drop(model: Any, data: Any, place: Float[np.ndarray, " 2"]) -> bool:
    """Lets the next one fall above `place` [m]; False if all have fallen."""
    for number in range(COUNT):
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name(number))
        geom, joint = int(model.body_geomadr[body]), int(model.body_jntadr[body])
        if model.geom_contype[geom]:
            continue
        model.geom_contype[geom] = model.geom_conaffinity[geom] = 1
        # What the compiler has summed up of a body's geoms decides first.
        model.body_contype[body] = model.body_conaffinity[body] = 1
        model.geom_rgba[geom, 3] = 1.0
        model.body_gravcomp[body] = 0.0
        q, v = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        data.qpos[q : q + 7] = [*place, HEIGHT, 1.0, 0.0, 0.0, 0.0]
        data.qvel[v : v + 6] = 0.0
        return True
    return False


def continue_from(model: Any, before: Any) -> None:
    """Lets fall in `model` what has fallen in the model `before`."""
    for number in range(COUNT):
        old, new = (mujoco.mj_name2id(m, mujoco.mjtObj.mjOBJ_BODY, name(number)) for m in (before, model))
        if old < 0 or new < 0:
            return
        a, b = int(before.body_geomadr[old]), int(model.body_geomadr[new])
        for field in Dropped.fields:
            to, at = (b, a) if field.startswith("geom") else (new, old)
            getattr(model, field)[to] = getattr(before, field)[at]
