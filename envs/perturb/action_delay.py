"""Delayed execution of actions."""

from ..perturbation import Perturbation


class ActionDelay(Perturbation):
    """Delay of 0.1 s per level, at least one control step; until then the robot holds still."""

    affects = frozenset[str]()

    def action_delay(self, level: int) -> float:
        """Time from an action to its execution [s]."""
        return 0.1 * level
