"""Expert: a scripted policy that sees the simulator's state and has no memory.

Since its action is a function of the current state, the expert can label any state, including those that it
would never reach. `demonstrations.py` uses this: it disturbs the motion and records how the expert recovers
(Laskey et al., "DART: Noise injection for robust imitation learning", 2017).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from ..common.errors import InputError
from .control import ActionSpace
from .gl import mujoco
from .robot import Robot
from .world import World


@runtime_checkable
class HasRobots(Protocol):
    """Task as seen by an expert: only its arms."""

    robots: tuple[Robot, ...]


@runtime_checkable
class ExpertView(Protocol):
    """Environment as seen by an expert: the simulator's current state and the newest command."""

    @property
    def definition(self) -> HasRobots:
        """Task that the environment runs."""
        ...

    world: World
    scenario: Any
    """Scenario of the episode, of the task's own class."""
    model: mujoco.MjModel
    """Compiled model of the scene."""
    data: mujoco.MjData
    """Current state of the simulation."""
    control_hz: float
    """Control rate [Hz]."""

    def goals(self) -> Float[np.ndarray, "n 5"]:
        """[x, y, z (m), yaw (rad), gripper] of the newest command, arm by arm."""
        ...


@runtime_checkable
class ExpertEnv(ExpertView, Protocol):
    """Environment that can turn an expert's goals into actions."""

    actions: ActionSpace

    def reference(self) -> Float32[np.ndarray, " r"]:
        """Newest command (see control.py), from which delta actions count."""
        ...

    def command_towards(self, goals: Float[np.ndarray, "n 5"]) -> Float[np.ndarray, " r"]:
        """Command that goes as far toward each arm's [x, y, z, yaw, gripper] as one step can."""
        ...


@dataclass(frozen=True)
class NoiseConfig:
    """Detours injected into demonstrations: for some steps the arm heads elsewhere, while the label stays the
    expert's action.

    They lead where a policy's own mistakes lead, such as next to the object with the gripper closed, so that
    demonstrations show the way back.
    """

    rate: float = 1.0
    """Mean rate at which detours start [1/s]."""
    seconds: float = 0.4
    """Longest detour [s]; durations are uniform from one control step."""
    position: float = 0.1
    """Largest distance of a detour's goal from its start [m]."""
    yaw: float = 0.15
    """Largest rotation of a detour [rad]."""
    gripper_flip: float = 0.3
    """Share of the detours with an inverted gripper command."""

    def __post_init__(self) -> None:
        if not 0 <= self.gripper_flip <= 1:
            raise InputError(f"noise.gripper_flip must be in [0, 1], got {self.gripper_flip}")
        for name in ("rate", "seconds", "position", "yaw"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"noise.{name} must not be negative, got {getattr(self, name)}")


class Detours:
    """Disturbances of one episode, drawn from `rng`."""

    def __init__(self, noise: NoiseConfig, control_hz: float, rng: np.random.Generator) -> None:
        self._noise, self._rng = noise, rng
        self._probability = noise.rate / control_hz
        self._longest = max(1, round(noise.seconds * control_hz))
        self._left = 0
        self._goals = np.zeros(0)

    def divert(
        self, env: ExpertEnv, command: Float[np.ndarray, " r"], wanted: Float[np.ndarray, "n 5"]
    ) -> Float[np.ndarray, " r"] | None:
        """Command that replaces the expert's `command` toward `wanted`; None to keep the expert's."""
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
    """Maps the environment's current state to a command."""

    @abstractmethod
    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """Target of each arm, [x, y, z (m, world), yaw (rad), gripper], at any distance."""

    def act(self, env: ExpertEnv) -> Float32[np.ndarray, " a"]:
        """Action, in the environment's action space, that goes as far toward the target as one step can."""
        command = env.command_towards(self.wanted(env))
        return env.actions.encode(command, env.reference().astype(np.float64)).astype(np.float32)
