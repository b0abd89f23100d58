"""Delayed observations."""

from ..perturbation import Perturbation


class ObservationDelay(Perturbation):
    """Delay of 0.1 s per level, at least one control step."""

    affects = frozenset[str]()

    def observation_delay(self, level: int) -> float:
        """Age of the observation [s]."""
        return 0.1 * level
