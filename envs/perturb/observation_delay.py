"""What is observed is old."""

from ..perturbation import Perturbation


class ObservationDelay(Perturbation):
    """0.1 s for each level, at least one control step."""

    affects = frozenset[str]()

    def observation_delay(self, level: int) -> float:
        """Age of what is observed [s]."""
        return 0.1 * level
