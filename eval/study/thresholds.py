"""Where success crosses 80 % along an axis of numbers: what it takes to get there, or how much it bears."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .factors import NumericFactor, Series, axes, lines, scale
from .summary import Summary

TARGET = 0.8
"""Success rate that counts as reached."""


@dataclass(frozen=True)
class Crossing:
    """Where one line crosses TARGET, interpolated between its levels."""

    line: str
    falls: bool
    """Whether it starts at or above the target, and so is asked where it falls below."""
    at: float | None
    """None: it does not cross."""
    between: tuple[float, float]
    """Where the ends of the 95 % intervals cross; infinite where an end does not within the levels."""
    cpu_minutes: float | None
    """Of one training there; None if unknown, or if there is no crossing."""

    @property
    def text(self) -> str:
        """ "63", "not reached", "below from 2.4" or "at every level"."""
        if self.at is None:
            return "at every level" if self.falls else "not reached"
        return f"below from {self.at:.3g}" if self.falls else f"{self.at:.3g}"

    @property
    def span(self) -> str:
        """ "[40, 95]", or "[40, –]" where the levels do not reach far enough."""
        ends = [f"{end:.3g}" if math.isfinite(end) else "–" for end in self.between]
        return "" if ends == ["–", "–"] else f"[{ends[0]}, {ends[1]}]"

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        between = [end if math.isfinite(end) else None for end in self.between]
        return {
            "line": self.line,
            "reads": self.text,
            "at": self.at,
            "between": between,
            "cpu_minutes": self.cpu_minutes,
        }


def crossings(summary: Summary) -> list[tuple[NumericFactor, list[Crossing]]]:
    """For each axis of numbers where each of its lines crosses TARGET; axes without lines are left out."""
    found = axes(summary)
    scales = [along for axis in found if (along := scale(axis)) is not None]
    every = [
        (along, lines(summary.rows, along, [axis for axis in found if axis != along.axis]))
        for along in scales
    ]
    return [
        (along, [crossing(line, logarithmic=along.logarithmic) for line in drawn])
        for along, drawn in every
        if drawn
    ]


def crossing(line: Series, *, logarithmic: bool) -> Crossing:
    """The first place at which `line` crosses TARGET."""
    means = [row.success.mean for row in line.rows]
    falls = means[0] >= TARGET
    costs = [row.cpu_minutes for row in line.rows]
    place = _first(means, falls)
    lows, highs = ([row.interval[end] for row in line.rows] for end in (0, 1))
    early, late = (lows, highs) if falls else (highs, lows)
    cost = None
    if place is not None and all(costs):
        cost = _between([minutes or 0.0 for minutes in costs], place, logarithmic=False)
    ends = []
    for values, beyond in ((early, -math.inf), (late, math.inf)):
        # An end that is beyond the target from the first level on crossed before it.
        found = 0.0 if (values[0] >= TARGET) != falls else _first(values, falls)
        ends.append(beyond if not found else _between(line.xs, found, logarithmic))
    at = None if place is None else _between(line.xs, place, logarithmic)
    return Crossing(line.name, falls, at, (ends[0], ends[1]), cost)


def _first(values: Sequence[float], falls: bool) -> float | None:
    """Index, with its fraction, at which `values` first gets to the other side of TARGET."""
    for i in range(len(values) - 1):
        a, b = values[i], values[i + 1]
        if (b < TARGET <= a) if falls else (a < TARGET <= b):
            return i + (TARGET - a) / (b - a)
    return None


def _between(values: Sequence[float], place: float, logarithmic: bool) -> float:
    """The value at an index with fraction."""
    i = min(int(place), len(values) - 2)
    a, b, share = values[i], values[i + 1], place - i
    return a * (b / a) ** share if logarithmic else a + (b - a) * share
