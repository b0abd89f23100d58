"""A different start of the robot."""

from dataclasses import replace

import numpy as np

from ..perturbation import Perturbation
from ..task import Task
from ..world import Scenario, World


class RobotStart(Perturbation):
    """Displaced start of the gripper, by up to 2 cm along each axis and 0.1 rad of yaw per level."""

    affects = frozenset({"images", "state", "physics"})

    def scene(
        self, task: Task, world: World, scenario: Scenario, level: int, rng: np.random.Generator
    ) -> Scenario:
        """Moves the start of every arm, within its limits."""
        start = scenario.start.copy()
        start[:, :3] += rng.uniform(-1, 1, size=(len(start), 3)) * 0.02 * level
        start[:, 3] += rng.uniform(-1, 1, size=len(start)) * 0.1 * level
        for row, robot in zip(start, task.robots, strict=True):
            row[:3] = np.clip(row[:3], robot.limits.low, robot.limits.high)
            row[3] = np.clip(row[3], *robot.limits.yaw)
        return replace(scenario, start=start)
