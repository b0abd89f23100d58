"""Objects lie in a larger part of the table than in training."""

from ..axis import Axis


class ObjectRange(Axis):
    """10 % more in each direction for each level, within the workspace."""

    affects = frozenset({"images", "physics"})

    def spread(self, level: int) -> float:
        """Factor on the areas from which the task places objects."""
        return 1.0 + 0.1 * level
