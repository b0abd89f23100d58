"""Relations between places on the table, in the words of a person who looks through the front camera.

Left and right are that person's; "in front of" is closer to them and "behind" farther away. The camera looks
against the x axis: right is +y, and in front is +x.
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
"""Words -> direction, x and y."""
DISTANCE = 0.10
"""Distance from a landmark to the best spot beside it [m]."""
BESIDE = (0.055, 0.145)
"""Distance range, along the direction, that counts as beside a landmark [m]."""
SLANT = 0.4
"""Largest lateral offset per meter along the direction, i.e. about 22 degrees."""
BETWEEN = (0.16, 0.26)
"""Distances between two landmarks at which something fits between them and little else does [m]."""
MIDDLE = 0.15
"""Half width of the zone between two landmarks, around the middle, as a share of their distance."""
OFF_LINE = 0.025
"""Largest distance from the line between two landmarks [m]."""
MARGIN = 0.01
"""Minimum distance of spots from the edge of the workspace [m]."""
ROOM = (0.07, 0.045)
"""Minimum distance of other things' centers from a spot, and from the open fingers above it [m]."""

Places = Mapping[int, Float[np.ndarray, " 2"]]
"""Body id -> x, y [m]."""


@dataclass(frozen=True)
class Relation:
    """Spatial relation: beside one landmark, or between two."""

    landmarks: tuple[int, ...]
    """Body ids of the landmarks."""
    way: str = ""
    """Key into WAYS if there is one landmark."""

    @property
    def form(self) -> str:
        """ "beside" or "between"."""
        return "beside" if self.way else "between"

    def spot(self, places: Places) -> Float[np.ndarray, " 2"]:
        """Best place [m]."""
        center = np.array([places[body] for body in self.landmarks]).sum(axis=0) / len(self.landmarks)
        return center + DISTANCE * WAYS[self.way] if self.way else center

    def holds(self, body: int, places: Places) -> bool:
        """True when a body is in this relation to the landmarks."""
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
        """Yaw of a gripper that releases there, with its fingers beside the line between two landmarks
        [rad]."""
        if self.way:
            return 0.0
        x, y = places[self.landmarks[1]] - places[self.landmarks[0]]
        return math.atan(y / x) if x else math.pi / 2

    def has_room(self, places: Places, solid: Collection[int], pads_outer: float) -> bool:
        """True if an open gripper can release something there, clear of the bodies `solid`.

        Args:
            places: positions of the bodies [m].
            pads_outer: distance from the middle of the open gripper to the outer face of a pad [m].
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
