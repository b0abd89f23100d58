"""Which actions of a predicted chunk are executed before the policy is asked again; numpy only."""

import numpy as np
from jaxtyping import Float


class RecedingHorizon:
    """Executes the first `execute` actions of each chunk, then asks for a new one.

    The first action of a chunk belongs to the step at which the policy was asked: a block always starts at 0.
    """

    def __init__(self, execute: int) -> None:
        """Args: execute: control steps between two questions to the policy.

        Raises:
            ValueError: `execute` is below 1.
        """
        if execute < 1:
            raise ValueError(f"execute must be at least 1, got {execute}")
        self.execute = execute

    def block(self, chunk: Float[np.ndarray, "k a"]) -> Float[np.ndarray, "m a"]:
        """The actions to execute now, m = `execute` of them.

        Raises:
            ValueError: the chunk is shorter than `execute`.
        """
        if self.execute > len(chunk):
            raise ValueError(f"execute must be at most the chunk length {len(chunk)}, got {self.execute}")
        return chunk[: self.execute]
