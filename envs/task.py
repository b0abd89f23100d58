"""Task: what is on the table, what is asked for, and when it is done. A task keeps no state of its own."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from .robot import Robot, RobotIndex

if TYPE_CHECKING:
    from .expert import Expert


@dataclass(frozen=True)
class World:
    """What a predicate may look at: one compiled scene and its present state."""

    model: Any
    """`mujoco.MjModel`"""
    data: Any
    """`mujoco.MjData`, positions up to date."""
    robot: RobotIndex


@dataclass(frozen=True)
class Scenario:
    """One episode's question, drawn by `Task.reset`."""

    instruction: str
    swapped_instruction: str
    """Names another object of the same scene."""
    target: int
    """Body that `instruction` is about."""
    others: tuple[int, ...]
    """Bodies that could be confused with it."""
    start: Float[np.ndarray, " 5"]
    """Commanded target [x, y, z, yaw, gripper] at which the robot waits when the episode starts."""


class Task(ABC):
    """A scene, its instruction and its predicates."""

    name: str
    """Module name in `tasks/`."""
    robot: Robot
    stages: tuple[str, ...]
    """Names of what can have been reached, worst first; the last one is success."""
    time_limit: float
    """Longest episode [s]."""
    cameras: tuple[str, ...] = ("front", "wrist", "overview")
    """Cameras of the scene; the last one is for people, it sees the whole arm."""

    @abstractmethod
    def build(self) -> Any:
        """The scene with the robot in it, as a `mujoco.MjSpec`. Compiled once per environment."""

    @abstractmethod
    def reset(self, world: World, rng: np.random.Generator) -> Scenario:
        """Draws an episode from `rng` alone: places and paints the objects in `world`.

        Must set all that an earlier episode may have changed in the model. The environment then places the
        robot and lets the scene settle.
        """

    @abstractmethod
    def is_success(self, world: World, scenario: Scenario) -> bool:
        """Whether the instruction is fulfilled in this state (the environment asks for it to last)."""

    @abstractmethod
    def has_failed(self, world: World, scenario: Scenario) -> bool:
        """Whether success has become impossible, e.g. the object fell off the table."""

    @abstractmethod
    def progress(self, world: World, scenario: Scenario) -> float:
        """How far the task has come, in [0, 1]; 1 where `is_success`."""

    @abstractmethod
    def stage(self, world: World, scenario: Scenario) -> str:
        """The one of `stages` that describes this state."""

    @abstractmethod
    def expert(self) -> "Expert":
        """A scripted expert for this task."""

    @abstractmethod
    def instructions(self) -> list[str]:
        """Every sentence this task can ask."""
