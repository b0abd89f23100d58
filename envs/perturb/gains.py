"""Stiffer or weaker servos of the arm."""

import numpy as np

from ..perturbation import Perturbation, factor
from ..task import Task
from ..world import Scenario, World


class Gains(Perturbation):
    """Change of stiffness by 10% per level, with unchanged damping."""

    fields = ("actuator_gainprm", "actuator_biasprm")
    affects = frozenset[str]()

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Scales the stiffness of every arm joint's servo."""
        scale = factor(level, 0.1, rng)
        for robot in world.robots:
            servos = robot.ctrl[:-2]
            world.model.actuator_gainprm[servos, 0] *= scale
            world.model.actuator_biasprm[servos, 1] *= scale
        return scenario
