"""World and Scenario: one compiled scene in its current state, and what one episode asks for in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .gl import mujoco
from .language import Meaning
from .robot import RobotIndex


@dataclass(frozen=True)
class World:
    """Scene as predicates see it: one compiled model and its current state."""

    model: mujoco.MjModel
    """Compiled model of the scene."""
    data: mujoco.MjData
    """Current state, with positions up to date."""
    robots: tuple[RobotIndex, ...]
    """Addresses of each arm's data."""
    spread: float = 1.0
    """Factor on the size of the areas from which `Task.reset` draws positions of objects."""

    @property
    def robot(self) -> RobotIndex:
        """The first arm, for tasks that need only one."""
        return self.robots[0]

    def held(self) -> set[int]:
        """Ids of the bodies in the grip of any arm."""
        held: set[int] = set()
        for robot in self.robots:
            held |= robot.held(self.model, self.data)
        return held


@dataclass(frozen=True)
class Scenario:
    """One episode's question, drawn by `Task.reset`. Tasks derive their own with what their predicates and
    expert need."""

    asked: Meaning
    swapped: Meaning
    """Meaning of another instruction that the same scene allows."""
    start: Float[np.ndarray, "n 5"]
    """Start [x, y, z, yaw, gripper] of each arm."""
