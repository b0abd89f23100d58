"""Expert: a scripted policy that sees the simulator's state and remembers nothing.

Because the action is a function of the present state, the expert can label any state, also one that it would
not have reached by itself. `collect.py` uses that: it disturbs the motion and records how the expert recovers
(Laskey et al., "DART: Noise injection for robust imitation learning", 2017).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

if TYPE_CHECKING:
    from .manipulation_env import ManipulationEnv


@dataclass(frozen=True)
class NoiseConfig:
    """Detours injected while demonstrating: for some steps the arm heads elsewhere. The label stays the
    expert's.

    They lead to where a policy's own mistakes lead, such as beside the object with the gripper closed, so
    that demonstrations show the way back.
    """

    probability: float = 0.1
    """Of a detour starting in a control step."""
    steps: int = 4
    """Longest detour [control steps]; the length is uniform from 1."""
    position: float = 0.1
    """Farthest goal of a detour from where it starts [m]."""
    yaw: float = 0.15
    """Largest turn of a detour [rad]."""
    gripper_flip: float = 0.3
    """Share of the detours with the gripper command reversed."""

    def __post_init__(self) -> None:
        for name in ("probability", "gripper_flip"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"noise.{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("position", "yaw"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"noise.{name} must not be negative, got {getattr(self, name)}")
        if self.steps < 1:
            raise ValueError(f"noise.steps must be at least 1, got {self.steps}")


class Detours:
    """The disturbances of one episode, drawn from `rng`."""

    def __init__(self, noise: NoiseConfig, rng: np.random.Generator) -> None:
        self._noise, self._rng = noise, rng
        self._left = 0
        self._goal = np.zeros(0)

    def divert(
        self, env: "ManipulationEnv", action: Float32[np.ndarray, " a"]
    ) -> Float32[np.ndarray, " a"] | None:
        """What to execute instead of the expert's `action`, or None to leave it."""
        noise, rng = self._noise, self._rng
        reference = env.reference().astype(np.float64)
        if self._left == 0:
            if rng.random() >= noise.probability:
                return None
            self._left = int(rng.integers(1, noise.steps + 1))
            direction = rng.normal(size=3)
            self._goal = env.actions.to_target(action.astype(np.float64), reference)
            self._goal[:3] = reference[:3] + noise.position * rng.random() * direction / np.linalg.norm(
                direction
            )
            self._goal[3] = reference[3] + rng.uniform(-noise.yaw, noise.yaw)
            if rng.random() < noise.gripper_flip:
                self._goal[4] = -self._goal[4]
        self._left -= 1
        return _towards(env, self._goal)


class Expert(ABC):
    """Maps the environment's present state to an action."""

    @abstractmethod
    def wanted(self, env: "ManipulationEnv") -> Float[np.ndarray, " 5"]:
        """The target [x, y, z, yaw, gripper] to head for, however far away."""

    def act(self, env: "ManipulationEnv") -> Float32[np.ndarray, " a"]:
        """The action, in the environment's action space, that goes as far towards it as one step can."""
        return _towards(env, self.wanted(env))


def _towards(env: "ManipulationEnv", wanted: Float[np.ndarray, " 5"]) -> Float32[np.ndarray, " a"]:
    reference = env.reference().astype(np.float64)
    target = env.limits.next_target(reference, wanted, env.control_hz)
    return env.actions.from_target(target, reference).astype(np.float32)
