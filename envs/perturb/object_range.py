"""A larger area for objects than in training."""

from ..perturbation import Perturbation


class ObjectRange(Perturbation):
    """Areas larger by 10% in each direction per level, within the workspace. The instruction stays the same;
    the swapped instruction of `spatial` may change, since the positions decide what else is possible."""

    affects = frozenset({"images", "physics"})

    def spread(self, level: int) -> float:
        """Factor on the areas in which the task places objects."""
        return 1.0 + 0.1 * level
