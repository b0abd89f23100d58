"""Task: what is on the table, what is asked for, and when it is done. A task has no state of its own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from .control import ControlLimits
from .expert import Expert
from .gl import mujoco
from .language import PLAIN, Form, Meaning, Wording
from .placement import Corners
from .robot import Robot
from .world import Scenario, World


class Task(ABC):
    """A scene, its instruction and its predicates, for whichever arms it is built with.

    Parameters of a task are keyword arguments of its `__init__`, with defaults; `tasks.load` sets them from a
    name such as "insert_peg:clearance=0.001".
    """

    forms: ClassVar[Mapping[str, Form]]
    """Phrasings by the `form` of a `Meaning`."""
    stages: ClassVar[tuple[str, ...]]
    """Names of the stages of progress, worst first; the last one is success."""
    time_limit: ClassVar[float]
    """Longest episode [s]."""
    crowded: ClassVar[bool] = False
    """True if the table has no room for distractors."""
    num_arms: ClassVar[int] = 1
    default_robot: ClassVar[str] = "franka"

    def __init__(self, robots: tuple[Robot, ...]) -> None:
        self.robots = robots

    @classmethod
    def limits(cls, limits: ControlLimits) -> ControlLimits:
        """Bounds on each arm's commands in this task, in every action space; `limits` are the robot's."""
        return limits

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras of the scene; the last one is for people and sees the whole robot."""
        return ("front", *(robot.name("wrist") for robot in self.robots), "overview")

    @abstractmethod
    def build(self) -> mujoco.MjSpec:
        """Builds the scene with the robot in it. Compiled once per environment."""

    @abstractmethod
    def reset(self, world: World, rng: np.random.Generator) -> Scenario:
        """Draws an episode from `rng` alone: places and paints the objects in `world`.

        Must set everything that an earlier episode may have changed in the model. The environment then places
        the robot and lets the scene settle.
        """

    def after_step(self, world: World, scenario: Any) -> None:  # noqa: B027
        """Records what must be remembered, after every control step and after a state was set.

        The only memory is `world.data.userdata`, `nuserdata` numbers that are zero when an episode begins: it
        is stored and restored with the state. Colors that depend on it are painted here.
        """

    @abstractmethod
    def is_success(self, world: World, scenario: Any) -> bool:
        """True when the instruction is fulfilled in this state (the environment requires it to last). Then
        progress is 1 and the stage is the last one, and `progress` and `stage` are not called."""

    @abstractmethod
    def has_failed(self, world: World, scenario: Any) -> bool:
        """True when success has become impossible, e.g. the object fell off the table."""

    @abstractmethod
    def progress(self, world: World, scenario: Any) -> float:
        """Progress of the task in [0, 1], for states short of success."""

    @abstractmethod
    def stage(self, world: World, scenario: Any) -> str:
        """Stage of this state, one of `stages`, for states short of success."""

    def mode(self, world: World, scenario: Any) -> str | None:
        """Mode of the solution among several equally good ones; None if undecided or if there is only one."""
        return None

    @abstractmethod
    def focus(self, world: World, scenario: Any) -> Float[np.ndarray, " 3"]:
        """The point that the instruction is about in this state, i.e. what to reach for next [m, world]. It
        labels training images (privileged)."""

    def reserved(self, world: World, scenario: Any) -> list[Corners]:
        """Rectangles that distractors must stay out of because things will move through them, in addition to
        the places of visible things [m]."""
        return []

    @abstractmethod
    def expert(self) -> Expert:
        """Scripted expert for this task."""

    @abstractmethod
    def meanings(self) -> list[Meaning]:
        """Meanings of all that this task can ask for."""

    def questions(self, world: World, scenario: Any) -> list[Any]:
        """Scenarios for every instruction that the scene of `scenario` allows, itself included: the same
        scene with what predicates and expert need for another instruction. By default it is the only one."""
        return [scenario]

    def understand(self, world: World, scenario: Scenario, sentence: str) -> Scenario | None:
        """Finds the scenario, one of the scene's `questions`, that a person's sentence asks for; None if
        there is none."""
        for question in self.questions(world, scenario):
            if self.forms[question.asked.form].asks(question.asked, sentence):
                other = scenario.swapped if question.asked == scenario.asked else scenario.asked
                return replace(question, swapped=other)
        return None

    def say(self, meaning: Meaning, wording: Wording, rng: np.random.Generator) -> str:
        """Draws one sentence that asks for `meaning` (see language.py)."""
        return self.forms[meaning.form].say(meaning, wording, rng)

    def instructions(self, wording: Wording = PLAIN) -> list[str]:
        """Sentences that this task can use in one wording, sorted."""
        sentences = (self.forms[m.form].sentences(m, wording) for m in self.meanings())
        return sorted(set().union(*sentences))
