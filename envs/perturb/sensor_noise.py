"""Noisy images and proprioception."""

from typing import Any

import numpy as np

from ..perturbation import Perturbation


class SensorNoise(Perturbation):
    """Standard deviation per level: 4 gray levels in images, 0.002 [m, rad] in the state."""

    affects = frozenset({"images", "state"})

    def observe(self, observation: dict[str, Any], level: int, rng: np.random.Generator) -> dict[str, Any]:
        """Adds Gaussian noise."""
        pixels = {
            name: (image + rng.normal(scale=4.0 * level, size=image.shape))
            .round()
            .clip(0, 255)
            .astype(np.uint8)
            for name, image in observation["pixels"].items()
        }
        state = observation["agent_pos"]
        noisy = state + rng.normal(scale=0.002 * level, size=state.shape).astype(np.float32)
        return observation | {"pixels": pixels, "agent_pos": noisy}
