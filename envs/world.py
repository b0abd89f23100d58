"""World and Scenario: one compiled scene in its present state, and what one episode asks for in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .gl import mujoco
from .language import Meaning
from .robot import RobotIndex


@dataclass(frozen=True)
class World:
    """What a predicate may look at: one compiled scene and its present state."""

    model: mujoco.MjModel
    """`mujoco.MjModel`"""
    data: mujoco.MjData
    """`mujoco.MjData`, positions up to date."""
    robots: tuple[RobotIndex, ...]
    """Arm by arm."""
    spread: float = 1.0
    """Factor on the size of the areas from which `Task.reset` draws places for objects."""

    @property
    def robot(self) -> RobotIndex:
        """The first arm, for tasks that need only one."""
        return self.robots[0]

    def held(self) -> set[int]:
        """Bodies in the grip of any arm."""
        held: set[int] = set()
        for robot in self.robots:
            held |= robot.held(self.model, self.data)
        return held


@dataclass(frozen=True)
class Scenario:
    """One episode's question, drawn by `Task.reset`. Tasks derive their own, with what their predicates and
    expert need."""

    asked: Meaning
    swapped: Meaning
    """Asks for something else that is possible in the same scene."""
    start: Float[np.ndarray, "n 5"]
    """[x, y, z, yaw, gripper] at which each arm waits when the episode starts."""
