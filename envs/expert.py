"""Expert: a scripted policy that sees the simulator's state and remembers nothing.

Because the action is a function of the present state, the expert can label any state, also one that it would
not have reached by itself. `collect.py` uses that: it disturbs the motion and records how the expert recovers
(Laskey et al., "DART: Noise injection for robust imitation learning", 2017).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

if TYPE_CHECKING:
    from .manipulation_env import ManipulationEnv


@dataclass(frozen=True)
class NoiseConfig:
    """Disturbances injected while demonstrating. The label stays the expert's."""

    probability: float = 0.1
    """Of a disturbance in each control step."""
    position: float = 0.04
    """Largest displacement of the commanded target [m]."""
    yaw: float = 0.15
    """Largest turn of the commanded target [rad]."""
    gripper_flip: float = 0.1
    """Share of the disturbances that also reverse the gripper command."""

    def disturb(
        self, action: Float32[np.ndarray, " a"], rng: np.random.Generator
    ) -> Float32[np.ndarray, " a"] | None:
        """Another action to execute instead of `action`, or None to leave it. Works in every action space."""
        if rng.random() >= self.probability:
            return None
        direction = rng.normal(size=3)
        disturbed = action.copy()
        disturbed[:3] += self.position * rng.random() * direction / np.linalg.norm(direction)
        disturbed[3] += rng.uniform(-self.yaw, self.yaw)
        if rng.random() < self.gripper_flip:
            disturbed[4] = -disturbed[4]
        return disturbed


class Expert(ABC):
    """Maps the environment's present state to an action."""

    @abstractmethod
    def wanted(self, env: "ManipulationEnv") -> Float[np.ndarray, " 5"]:
        """The target [x, y, z, yaw, gripper] to head for, however far away."""

    def act(self, env: "ManipulationEnv") -> Float32[np.ndarray, " a"]:
        """The action, in the environment's action space, that goes as far towards it as one step can."""
        reference = env.reference().astype(np.float64)
        target = env.limits.next_target(reference, self.wanted(env), env.control_hz)
        return env.actions.from_target(target, reference).astype(np.float32)
