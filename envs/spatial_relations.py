"""Relations between places on the table, in the words of a person who looks through the front camera.

Left and right are theirs, "in front of" is nearer to them and "behind" farther away. The camera looks against
the x axis: to the right is +y, in front is +x.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .placement import WORKSPACE

WAYS = {
    "to the left of": np.array([0.0, -1.0]),
    "to the right of": np.array([0.0, 1.0]),
    "in front of": np.array([1.0, 0.0]),
    "behind": np.array([-1.0, 0.0]),
}
"""Words -> direction in x and y."""
DISTANCE = 0.10
"""From a landmark to the spot beside it [m]."""
BESIDE = (0.055, 0.145)
"""Beside a landmark is from here to there, along the way [m]."""
SLANT = 0.4
"""For each metre along the way, a place may be this far off it, about 22 degrees."""
BETWEEN = (0.16, 0.26)
"""Landmarks are so far apart that something fits between them and nothing much else does [m]."""
MIDDLE = 0.15
"""Between two landmarks is the middle, and this share of their distance towards either."""
OFF_LINE = 0.025
"""Farthest from the line between them [m]."""
MARGIN = 0.01
"""From spots to the edge of the workspace [m]."""
ROOM = (0.07, 0.045)
"""From a spot, and from the open fingers over it, to the centres of other things [m]."""

Places = Mapping[int, Float[np.ndarray, " 2"]]
"""Body -> x, y [m]."""


@dataclass(frozen=True)
class Relation:
    """Beside one landmark, or between two."""

    landmarks: tuple[int, ...]
    """Bodies."""
    way: str = ""
    """Key into WAYS, if there is one landmark."""

    @property
    def form(self) -> str:
        """ "beside" or "between"."""
        return "beside" if self.way else "between"

    def spot(self, places: Places) -> Float[np.ndarray, " 2"]:
        """The best place [m]."""
        centre = np.array([places[body] for body in self.landmarks]).sum(axis=0) / len(self.landmarks)
        return centre + DISTANCE * WAYS[self.way] if self.way else centre

    def holds(self, body: int, places: Places) -> bool:
        """Whether a body is in this relation to the landmarks."""
        offset = places[body] - places[self.landmarks[0]]
        if self.way:
            along = float(offset @ WAYS[self.way])
            off = math.sqrt(max(float(offset @ offset) - along**2, 0.0))
            return BESIDE[0] < along < BESIDE[1] and off < SLANT * along
        line = places[self.landmarks[1]] - places[self.landmarks[0]]
        length = float(np.hypot(*line))
        along = float(offset @ line) / length
        off = abs(float(offset[0] * line[1] - offset[1] * line[0])) / length
        return abs(along / length - 0.5) < MIDDLE and off < OFF_LINE

    def yaw(self, places: Places) -> float:
        """Of a gripper that lets go there, its fingers beside the line between two landmarks [rad]."""
        if self.way:
            return 0.0
        x, y = places[self.landmarks[1]] - places[self.landmarks[0]]
        return math.atan(y / x) if x else math.pi / 2

    def has_room(self, places: Places, solid: Collection[int], pads_outer: float) -> bool:
        """Whether an open gripper can let go of something there, clear of the bodies `solid`.

        Args:
            pads_outer: from the middle of the open gripper to the outside of a pad [m].
        """
        if not self.way:
            one, other = (places[body] for body in self.landmarks)
            if not BETWEEN[0] < float(np.hypot(*(one - other))) < BETWEEN[1]:
                return False
        spot, yaw = self.spot(places), self.yaw(places)
        if (spot < WORKSPACE[0] + MARGIN).any() or (spot > WORKSPACE[1] - MARGIN).any():
            return False
        finger = pads_outer * np.array([-math.sin(yaw), math.cos(yaw)])
        return all(
            np.hypot(*(spot + side * finger - places[body])) > gap
            for body in solid
            for side, gap in ((0, ROOM[0]), (-1, ROOM[1]), (1, ROOM[1]))
        )
