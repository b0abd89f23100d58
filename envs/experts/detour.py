"""Expert that goes around a wall on one of two equally good sides."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..expert import Expert, ExpertView

ASIDE = 0.11
"""Distance from the line between start and goal at which the expert passes the wall [m]."""
CLEAR = 0.08
"""Distance from the line beyond which the way ahead is clear [m]."""
DECIDED = 0.03
"""Distance from the line beyond which a side has clearly been chosen [m]."""
PAST = 0.065
"""Distance behind the wall from which the expert heads for the goal [m]."""
HEIGHT = 0.028
"""Height of the gripper above the table [m]."""


@dataclass(frozen=True)
class Way:
    """A straight line with a wall across it."""

    start: Float[np.ndarray, " 2"]
    """Start of the line, x and y [m]."""
    ahead: Float[np.ndarray, " 2"]
    """Unit vector from the start to the goal."""
    lateral: Float[np.ndarray, " 2"]
    """Unit vector along the wall."""
    wall: float
    """Distance from the start to the wall [m]."""
    length: float
    """Distance from the start to the goal [m]."""
    side: int
    """Side on which to pass the wall: +1 where `lateral` points, -1 on the other. It counts only until the
    gripper has set out."""

    def seen_from(self, place: Float[np.ndarray, " 2"]) -> tuple[float, float]:
        """Distance of `place` ahead of the start and, along `lateral`, from the line [m]."""
        offset = place - self.start
        return float(offset.dot(self.ahead)), float(offset.dot(self.lateral))

    def next(self, place: Float[np.ndarray, " 2"]) -> Float[np.ndarray, " 2"]:
        """The corner, or the goal, to head for from `place` [m]."""
        ahead, aside = self.seen_from(place)
        if ahead > self.wall + PAST:
            return self._at(self.length, 0.0)
        side = np.sign(aside) if abs(aside) > DECIDED else self.side
        return self._at(self.wall / 2 if abs(aside) < CLEAR else self.wall + 1.5 * PAST, side * ASIDE)

    def left(self, place: Float[np.ndarray, " 2"]) -> float:
        """Remaining distance from `place` to the goal, by way of one corner if the wall is still ahead
        [m]."""
        ahead, aside = self.seen_from(place)
        if ahead > self.wall + PAST:
            return float(np.hypot(self.length - ahead, aside))
        corner = self.wall + PAST
        return float(np.hypot(corner - ahead, ASIDE - abs(aside)) + np.hypot(self.length - corner, ASIDE))

    def _at(self, ahead: float, aside: float) -> Float[np.ndarray, " 2"]:
        return self.start + ahead * self.ahead + aside * self.lateral


class DetourExpert(Expert):
    """Expert for scenarios with a `way`."""

    def wanted(self, env: ExpertView) -> Float[np.ndarray, "n 5"]:
        """The next corner, at the same height."""
        return np.array([[*env.scenario.way.next(env.goals()[0, :2]), HEIGHT, 0.0, -1.0]])
