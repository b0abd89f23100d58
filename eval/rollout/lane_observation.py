"""LaneObservation: what one environment shows to whoever acts in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8


@dataclass(frozen=True)
class LaneObservation:
    """Observation of a lane that waits for actions.

    With a history, axis `v` is (t v) and axis `s` is (t s), as in `policies.types.Observation`.
    """

    seed: int
    step: int
    """Control steps done in this episode."""
    images: UInt8[np.ndarray, "v h w 3"]
    state: Float32[np.ndarray, " s"]
    instruction: str
