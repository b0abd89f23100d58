"""Extra objects on the table, away from those that matter."""

import numpy as np

from ...common.errors import InputError
from ..gl import mujoco
from ..perturbation import LEVELS, Perturbation
from ..placement import WORKSPACE
from ..rendering import project
from ..task import Task
from ..world import Scenario, World

SIZE = 0.022
"""Half size of a distractor [m]."""
BEHIND = (np.array([0.27, -0.20]), np.array([0.36, 0.20]))
"""Corners of an area behind the workspace, x and y [m]: it has room, and no arm descends there."""
EDGE = 0.05
"""Minimum distance from the edge of the task's first image, as a share of its side."""
GAP = 0.05
"""Approximate free space around each distractor [m]."""
HIDDEN = (0.0, 0.0, -1.0)
"""Position of the hidden distractors [m]."""
TRIES = 200
"""Attempts per distractor in either area; one that fits nowhere stays hidden if another is visible."""


class Distractors(Perturbation):
    """Extra objects, one more per level: balls, cylinders and ellipsoids in gray and purple, in the
    workspace or, where the task leaves no room there, behind it."""

    fields = ("body_pos", "geom_rgba")
    affects = frozenset({"images"})

    def lacks(self, task: Task, model: mujoco.MjModel) -> str:
        """Room on the table, for some tasks."""
        return "no room for them" if task.crowded else ""

    def edit(self, spec: mujoco.MjSpec) -> None:
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
        """Places and paints `level` distractors.

        Raises:
            ValueError: the task leaves no room on the table.
        """
        model, data = world.model, world.data
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, task.cameras[0])
        robots = [model.body_rootid[model.site_bodyid[robot.site]] for robot in world.robots]
        seen = (model.geom_rbound > 0) & (model.geom_rgba[:, 3] > 0)  # a plane has no bound
        solid = np.flatnonzero(seen & ~np.isin(model.body_rootid[model.geom_bodyid], robots))
        reserved = task.reserved(world, scenario)
        placed: list[np.ndarray] = []
        for number in range(level):
            body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, f"distractor_{number}")
            shade = rng.uniform(0.15, 0.85)
            model.geom_rgba[model.body_geomadr[body]] = [shade, 0.6 * shade, shade, 1.0]
            for area in [WORKSPACE] * TRIES + [BEHIND] * TRIES:
                place = np.append(rng.uniform(*area), SIZE)
                if np.abs(project(model, data, camera, place[None], 1, 1) - 0.5).max() > 0.5 - EDGE:
                    continue
                apart = [float(np.linalg.norm(place - other)) - SIZE for other in placed]
                apart += [_outside(place[:2], *corners) for corners in reserved]
                if min([*apart, _clearance(world, solid, place)]) > SIZE + GAP:
                    model.body_pos[body] = place
                    placed.append(place)
                    break
        if not placed:
            raise InputError(f"perturbation 'distractors': {type(task).__name__} leaves no room on the table")
        return scenario


def _outside(place: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Distance of a place from the rectangle between two corners [m]."""
    return float(np.linalg.norm(np.maximum(np.maximum(low - place, place - high), 0.0)))


def _clearance(world: World, geoms: np.ndarray, place: np.ndarray) -> float:
    """Distance of a place from the nearest of the boxes around `geoms` [m]."""
    turn = world.data.geom_xmat[geoms].reshape(-1, 3, 3)
    local = np.einsum("gji,gj->gi", turn, place - world.data.geom_xpos[geoms])
    centres, halves = np.split(world.model.geom_aabb[geoms], 2, axis=1)
    return float(np.linalg.norm(np.maximum(np.abs(local - centres) - halves, 0.0), axis=1).min())
