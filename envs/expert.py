"""Expert: a scripted policy that sees the simulator's state and remembers nothing.

Because the action is a function of the present state, the expert can label any state, also one that it would
not have reached by itself. `demonstrations.py` uses that: it disturbs the motion and records how the expert
recovers (Laskey et al., "DART: Noise injection for robust imitation learning", 2017).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from .control import ActionSpace
from .gl import mujoco
from .robot import Robot
from .world import World


@runtime_checkable
class HasRobots(Protocol):
    """A task, of which experts know the arms alone."""

    robots: tuple[Robot, ...]


@runtime_checkable
class ExpertView(Protocol):
    """What an expert sees of an environment: the simulator's present state and the newest command."""

    @property
    def definition(self) -> HasRobots:
        """The task."""
        ...

    world: World
    scenario: Any
    """The episode's `Scenario`, of the task's own class."""
    model: mujoco.MjModel
    """`mujoco.MjModel`"""
    data: mujoco.MjData
    """`mujoco.MjData`"""
    control_hz: float
    """Control rate [Hz]."""

    def goals(self) -> Float[np.ndarray, "n 5"]:
        """[x, y, z (m), yaw (rad), gripper] of the newest command, arm by arm."""
        ...


@runtime_checkable
class ExpertEnv(ExpertView, Protocol):
    """What it takes beside that to turn an expert's goals into actions."""

    actions: ActionSpace

    def reference(self) -> Float32[np.ndarray, " r"]:
        """The newest command (see control.py), from which delta actions count."""
        ...

    def command_towards(self, goals: Float[np.ndarray, "n 5"]) -> Float[np.ndarray, " r"]:
        """The command that goes as far towards each arm's [x, y, z, yaw, gripper] as one step can."""
        ...


@dataclass(frozen=True)
class NoiseConfig:
    """Detours injected while demonstrating: for some steps the arm heads elsewhere. The label stays the
    expert's.

    They lead to where a policy's own mistakes lead, such as beside the object with the gripper closed, so
    that demonstrations show the way back.
    """

    rate: float = 1.0
    """Of detours starting, on average [1/s]."""
    seconds: float = 0.4
    """Longest detour [s]; the length is uniform from one control step."""
    position: float = 0.1
    """Farthest goal of a detour from where it starts [m]."""
    yaw: float = 0.15
    """Largest turn of a detour [rad]."""
    gripper_flip: float = 0.3
    """Share of the detours with the gripper command reversed."""

    def __post_init__(self) -> None:
        if not 0 <= self.gripper_flip <= 1:
            raise ValueError(f"noise.gripper_flip must be in [0, 1], got {self.gripper_flip}")
        for name in ("rate", "seconds", "position", "yaw"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"noise.{name} must not be negative, got {getattr(self, name)}")


class Detours:
    """The disturbances of one episode, drawn from `rng`."""

    def __init__(self, noise: NoiseConfig, control_hz: float, rng: np.random.Generator) -> None:
        self._noise, self._rng = noise, rng
        self._probability = noise.rate / control_hz
        self._longest = max(1, round(noise.seconds * control_hz))
        self._left = 0
        self._goals = np.zeros(0)

    def divert(
        self, env: ExpertEnv, command: Float[np.ndarray, " r"], wanted: Float[np.ndarray, "n 5"]
    ) -> Float[np.ndarray, " r"] | None:
        """What to command instead of the expert's `command` towards `wanted`, or None to leave it."""
        noise, rng = self._noise, self._rng
        if self._left == 0:
            if rng.random() >= self._probability:
                return None
            self._left = int(rng.integers(1, self._longest + 1))
            here = env.goals()
            arm = int(rng.integers(len(here))) if len(here) > 1 else 0
            direction = rng.normal(size=3)
            self._goals = wanted.copy()
            self._goals[arm, :3] = here[arm, :3] + noise.position * rng.random() * direction / np.linalg.norm(
                direction
            )
            self._goals[arm, 3] = here[arm, 3] + rng.uniform(-noise.yaw, noise.yaw)
            if rng.random() < noise.gripper_flip:
                self._goals[arm, 4] = -self._goals[arm, 4]
        self._left -= 1
        return env.command_towards(self._goals)


class Expert(ABC):
    """Maps the environment's present state to a command."""

    @abstractmethod
    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Where each arm should head: [x, y, z (m, world), yaw (rad), gripper], however far away."""

    def act(self, env: ExpertEnv) -> Float32[np.ndarray, " a"]:
        """The action, in the environment's action space, that goes as far there as one step can."""
        command = env.command_towards(self.wanted(env))
        return env.actions.encode(command, env.reference().astype(np.float64)).astype(np.float32)
