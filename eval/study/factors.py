"""The axes along which a study's cells differ, and the numbers among their levels.

The ways of judging are an axis too. A level is a number if it says one: "8", "5 Hz", "execute 4". An axis of
numbers is drawn as lines; what its levels say before the number then tells lines apart ("sync, delay 2").
"""

import itertools
import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .summary import JUDGED, Row, Summary, in_words

_LEVEL = re.compile(
    r"(?P<before>(?:.*[\s=,:])?)(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?P<unit>\D*)"
)


@dataclass(frozen=True)
class Level:
    """A level that says a number."""

    before: str
    number: float
    unit: str


@dataclass(frozen=True)
class Factor:
    """What varies."""

    name: str
    levels: list[str]
    """As they occur, at least two."""


@dataclass(frozen=True)
class NumericFactor:
    """An axis whose levels are numbers."""

    axis: Factor
    label: str
    """ "chunk", "control rate [Hz]", "execute"."""
    numbers: dict[str, float]
    """Level -> number."""
    line_of: dict[str, str]
    """Level -> what tells its line apart; often ""."""
    logarithmic: bool
    """Whether the levels are nearer to equal ratios than to equal steps."""


@dataclass(frozen=True)
class Series:
    """Rows that differ along one axis of numbers only, by increasing number."""

    name: str
    xs: list[float]
    rows: list[Row]


def axes(summary: Summary) -> list[Factor]:
    """What varies in a study, the ways of judging last; a tuned axis is not compared and so none."""
    names = [name for name in summary.rows[0].levels if name != summary.tuned]
    found = [
        Factor(name, list(dict.fromkeys(level(row, name) for row in summary.rows)))
        for name in dict.fromkeys([*names, JUDGED])
    ]
    return [axis for axis in found if len(axis.levels) > 1]


def level(row: Row, axis: str) -> str:
    """Where `row` stands on an axis."""
    return row.way if axis == JUDGED else row.levels[axis]


def number(text: str) -> Level | None:
    """What a level says: number("sync, delay 2") -> Level("sync, delay", 2.0, "")."""
    found = _LEVEL.fullmatch(text)
    if found is None:
        return None
    return Level(found["before"].strip(" =,:"), float(found["number"]), found["unit"].strip())


def scale(axis: Factor) -> NumericFactor | None:
    """The axis in numbers; None if not all of its levels say one in the same unit."""
    found = {name: number(name) for name in axis.levels}
    levels = {name: one for name, one in found.items() if one is not None}
    if len(levels) < len(found) or len({one.unit for one in levels.values()}) > 1:
        return None
    numbers = sorted({one.number for one in levels.values()})
    if len(numbers) < 2:
        return None
    shared = _shared_ending([one.before.split() for one in levels.values()])
    unit = next(iter(levels.values())).unit
    label = " ".join(shared) or ("" if axis.name == JUDGED else axis.name)
    return NumericFactor(
        axis,
        f"{label} [{unit}]" if label and unit else label or unit or "number",
        {name: one.number for name, one in levels.items()},
        {
            name: " ".join(one.before.split()[: -len(shared) or None]).rstrip(",")
            for name, one in levels.items()
        },
        _geometric(numbers),
    )


def lines(rows: Sequence[Row], along: NumericFactor, others: Sequence[Factor]) -> list[Series]:
    """The rows in lines along one axis: one for each combination of the `others`, none of a single point."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        parts = [along.line_of[level(row, along.axis.name)], *(_word(row, axis) for axis in others)]
        found.setdefault(" · ".join(part for part in parts if part), []).append(row)

    def x(row: Row) -> float:
        return along.numbers[level(row, along.axis.name)]

    return [
        Series(name, [x(row) for row in group], group)
        for name, group in ((name, sorted(group, key=x)) for name, group in found.items())
        if len(group) > 1
    ]


def panels(rows: Sequence[Row], split: Sequence[Factor]) -> list[tuple[str, list[Row]]]:
    """Rows by their combination of levels of the axes `split`, named by it; "" without axes."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(_word(row, axis) for axis in split), []).append(row)
    return [(" · ".join(key), group) for key, group in found.items()]


def _word(row: Row, axis: Factor) -> str:
    return in_words(axis.name, level(row, axis.name))


def _shared_ending(words: list[list[str]]) -> list[str]:
    """Words with which all lists end."""
    shared = []
    for column in zip(*(reversed(one) for one in words), strict=False):
        if len(set(column)) > 1:
            break
        shared.insert(0, column[0])
    return shared


def _geometric(numbers: list[float]) -> bool:
    """Whether steps between increasing numbers vary less in ratio than in size."""
    if numbers[0] <= 0:
        return False
    pairs = list(itertools.pairwise(numbers))
    return _variation([math.log(b / a) for a, b in pairs]) < _variation([b - a for a, b in pairs])


def _variation(values: list[float]) -> float:
    """Standard deviation in units of the mean."""
    return statistics.pstdev(values) / statistics.mean(values)
