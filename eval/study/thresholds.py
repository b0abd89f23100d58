"""Threshold crossings: levels of a numeric factor at which the success rate crosses 80%."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .factors import Series

TARGET = 0.8
"""Success rate to cross."""


@dataclass(frozen=True)
class Crossing:
    """Crossing of TARGET by one series, interpolated between its levels."""

    line: str
    falls: bool
    """Whether the series starts at or above the target, so that the crossing is where it falls below."""
    at: float | None
    """Level of the crossing; None if the series does not cross."""
    between: tuple[float, float]
    """Levels at which the ends of the 95% intervals cross; infinite for an end that does not cross within
    the levels."""
    cpu_minutes: float | None
    """CPU time of one training at the crossing [min]; None if unknown, or without a crossing."""

    @property
    def text(self) -> str:
        """The crossing in words: "63", "not reached", "below from 2.4", or "at every level"."""
        if self.at is None:
            return "at every level" if self.falls else "not reached"
        return f"below from {self.at:.3g}" if self.falls else f"{self.at:.3g}"

    @property
    def span(self) -> str:
        """The interval in words: "[40, 95]", or "[40, –]" if the levels do not reach far enough."""
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


def crossing(line: Series, *, logarithmic: bool) -> Crossing:
    """The first crossing of TARGET."""
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
        # An end beyond the target at the first level crossed before it.
        place_of_end = 0.0 if (values[0] >= TARGET) != falls else _first(values, falls)
        ends.append(_between(line.xs, place_of_end, logarithmic) if place_of_end else beyond)
    at = None if place is None else _between(line.xs, place, logarithmic)
    return Crossing(line.name, falls, at, (ends[0], ends[1]), cost)


def _first(values: Sequence[float], falls: bool) -> float | None:
    """Fractional index at which `values` first crosses TARGET."""
    for i in range(len(values) - 1):
        a, b = values[i], values[i + 1]
        if (b < TARGET <= a) if falls else (a < TARGET <= b):
            return i + (TARGET - a) / (b - a)
    return None


def _between(values: Sequence[float], place: float, logarithmic: bool) -> float:
    """Value at a fractional index, interpolated."""
    i = min(int(place), len(values) - 2)
    a, b, share = values[i], values[i + 1], place - i
    return a * (b / a) ** share if logarithmic else a + (b - a) * share
