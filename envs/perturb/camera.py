"""Displaced cameras with a wider or narrower field of view that still look at the same point."""

import numpy as np

from ..gl import mujoco
from ..perturbation import Perturbation, factor
from ..task import Task
from ..world import Scenario, World


class Camera(Perturbation):
    """Shift of up to 3 cm along each axis (a tenth of it on the wrist), 0.01 rad of roll and 3% of the field
    of view per level."""

    fields = ("cam_pos", "cam_quat", "cam_fovy")
    affects = frozenset({"images"})

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Moves the cameras that policies see through; the overview for people stays."""
        model = world.model
        for name in task.cameras[:-1]:
            camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, name)
            on_world = model.cam_bodyid[camera] == 0
            rotation = np.empty(9)
            mujoco.mju_quat2Mat(rotation, model.cam_quat[camera])
            axes = rotation.reshape(3, 3)
            distance = 1.4 if on_world else 0.15  # to what it looks at [m]
            target = model.cam_pos[camera] - distance * axes[:, 2]
            model.cam_pos[camera] += rng.uniform(-1, 1, size=3) * level * (0.03 if on_world else 0.003)
            back = model.cam_pos[camera] - target
            back /= np.linalg.norm(back)
            roll = rng.uniform(-1, 1) * 0.01 * level
            right = np.cross(axes[:, 1] + roll * axes[:, 0], back)
            right /= np.linalg.norm(right)
            looks = np.stack([right, np.cross(back, right), back], axis=1, dtype=np.float64)
            mujoco.mju_mat2Quat(model.cam_quat[camera], looks.ravel())
            model.cam_fovy[camera] *= factor(level, 0.03, rng)
        return scenario
