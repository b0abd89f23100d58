"""Larger or smaller objects."""

import numpy as np

from ..perturbation import Perturbation, factor, object_geoms
from ..task import Task
from ..world import Scenario, World


class ObjectSize(Perturbation):
    """Change of size by 5% per level, with one factor for all objects of a scene."""

    fields = ("geom_size", "geom_pos", "geom_rbound", "geom_aabb", "bvh_aabb")
    affects = frozenset({"images", "physics"})
    of_objects = True

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Scales every movable object, which then settles onto the table."""
        scale_geoms(world, np.full(3, factor(level, 0.05, rng)))
        return scenario


def scale_geoms(world: World, scale: np.ndarray) -> None:
    """Scales all movable objects along their axes and sets them down on their new undersides.

    The bounding boxes by which MuJoCo rules out contacts must grow along.
    """
    model = world.model
    geoms = object_geoms(model)
    higher = model.geom_size[geoms, 2] * (scale[2] - 1)
    model.geom_size[geoms] *= scale
    model.geom_pos[geoms] *= scale
    model.geom_aabb[geoms, 3:] *= scale
    model.geom_rbound[geoms] = np.linalg.norm(model.geom_size[geoms], axis=1)
    bodies, first = np.unique(model.geom_bodyid[geoms], return_index=True)
    for body, rise in zip(bodies, higher[first], strict=True):
        nodes = slice(model.body_bvhadr[body], model.body_bvhadr[body] + model.body_bvhnum[body])
        model.bvh_aabb[nodes, :3] *= scale
        model.bvh_aabb[nodes, 3:] *= np.maximum(scale, 1)
        world.data.qpos[model.jnt_qposadr[model.body_jntadr[body]] + 2] += rise
