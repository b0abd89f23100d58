"""Expert for going round a wall on one of two equally good sides."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView

ASIDE = 0.11
"""Distance from the line between start and goal at which the wall is passed [m]."""
CLEAR = 0.08
"""This far from the line, the way ahead is free [m]."""
DECIDED = 0.03
"""This far from the line, a way is clearly taken [m]."""
PAST = 0.065
"""This far behind the wall, head for the goal [m]."""
HEIGHT = 0.028
"""Of the gripper above the table [m]."""


@dataclass(frozen=True)
class Way:
    """A straight line with a wall across it."""

    start: Float[np.ndarray, " 2"]
    """[m]"""
    ahead: Float[np.ndarray, " 2"]
    """Unit vector from the start to the goal."""
    lateral: Float[np.ndarray, " 2"]
    """Unit vector along the wall."""
    wall: float
    """From the start to the wall [m]."""
    length: float
    """From the start to the goal [m]."""
    side: int
    """+1: round the wall's end that `lateral` points to; -1: round the other one. Only for who has not set
    out yet."""

    def seen_from(self, place: Float[np.ndarray, " 2"]) -> tuple[float, float]:
        """How far `place` is ahead of the start and, along `lateral`, aside of the line [m]."""
        offset = place - self.start
        return float(offset.dot(self.ahead)), float(offset.dot(self.lateral))

    def next(self, place: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
        """The corner to head for from `place` (or the goal) [m]."""
        ahead, aside = self.seen_from(place)
        if ahead > self.wall + PAST:
            return self._at(self.length, 0.0)
        side = np.sign(aside) if abs(aside) > DECIDED else self.side
        return self._at(self.wall / 2 if abs(aside) < CLEAR else self.wall + 1.5 * PAST, side * ASIDE)

    def left(self, place: Float[np.ndarray, " 2"]) -> float:
        """Length of the way from `place` to the goal, by way of one corner if the wall is still ahead [m]."""
        ahead, aside = self.seen_from(place)
        if ahead > self.wall + PAST:
            return float(np.hypot(self.length - ahead, aside))
        corner = self.wall + PAST
        return float(np.hypot(corner - ahead, ASIDE - abs(aside)) + np.hypot(self.length - corner, ASIDE))

    def _at(self, ahead: float, aside: float) -> Float[np.ndarray, " 2"]:
        return self.start + ahead * self.ahead + aside * self.lateral


class DetourExpert(Expert):
    """Needs `scenario.way`."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """The next corner, at the same height."""
        return np.array([[*env.scenario.way.next(env.goals()[0, :2]), HEIGHT, 0.0, -1.0]])
