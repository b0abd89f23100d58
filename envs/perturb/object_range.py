"""Objects lie in a larger part of the table than in training."""

from ..perturbation import Perturbation


class ObjectRange(Perturbation):
    """10 % more in each direction for each level, within the workspace. The same is asked; the swapped
    instruction of `spatial` may be another one, since it depends on the places what else is possible."""

    affects = frozenset({"images", "physics"})

    def spread(self, level: int) -> float:
        """Factor on the areas from which the task places objects."""
        return 1.0 + 0.1 * level
