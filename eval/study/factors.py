"""Factors of a study, and the series of rows that differ along a numeric one.

A study varies the factors of its grid and, as one more factor, the evaluation. A numeric factor is drawn as
lines over its levels; the evaluations are numeric if they differ in one numeric setting, such as a delay.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .level import Level, in_words, is_number, level_text
from .summary import EVALUATION, Row, Summary

Changes = Mapping[str, Any]
"""Value of each field that a level sets, by the field's dotted path."""


@dataclass(frozen=True)
class Factor:
    """Factor of a study, with its levels.

    Factor("rate", {5: {"record.control_hz": 5.0}, 10: {"record.control_hz": 10.0}}, unit="Hz")
    """

    name: str
    """Name, without its unit; may be empty if the unit says it all ("3 passes")."""
    levels: Mapping[Any, Changes]
    """Changes that each `Level` makes. (The key of a mapping is invariant, hence Any.)"""
    unit: str = ""
    """Unit of numeric levels."""

    @property
    def label(self) -> str:
        """Name and unit, as on an axis of a plot: "rate [Hz]"."""
        return f"{self.name} [{self.unit}]".lstrip() if self.unit else self.name

    @property
    def texts(self) -> list[str]:
        """The levels as text."""
        return [level_text(level) for level in self.levels]


@dataclass(frozen=True)
class NumericFactor:
    """Factor whose levels are numbers."""

    factor: Factor
    label: str
    """Label of an axis: "chunk", "rate [Hz]"."""
    numbers: dict[str, float]
    """Number of each level, by its text."""
    line_of: dict[str, str]
    """Name of the line of a plot that each level belongs to, by the level's text; "" where there is one
    line."""
    logarithmic: bool
    """Whether the spacing of the levels is closer to geometric than to linear."""


@dataclass(frozen=True)
class Series:
    """Rows that differ only along one numeric factor, in increasing order."""

    name: str
    xs: list[float]
    rows: list[Row]


def factors(summary: Summary) -> list[Factor]:
    """Factors with at least two levels, the evaluation last; without the tuned one, which is not compared."""
    labels = [label for label in summary.rows[0].levels if label != summary.tuned]
    found = [
        Factor(label, {value_of(row, label): {} for row in summary.rows})
        for label in dict.fromkeys([*labels, EVALUATION])
    ]
    return [factor for factor in found if len(factor.levels) > 1]


def value_of(row: Row, label: str) -> Level:
    """Level of `row` on the factor with this label."""
    return row.evaluation_name if label == EVALUATION else row.levels[label]


def text_of(row: Row, label: str) -> str:
    """Level of `row` on the factor with this label, as text."""
    return level_text(value_of(row, label))


def numeric(factor: Factor, rows: Sequence[Row]) -> NumericFactor | None:
    """The factor as numbers; None if it is not numeric."""
    if factor.label == EVALUATION:
        return _numeric_evaluation(factor, rows)
    levels = list(factor.levels)
    if not all(map(is_number, levels)):
        return None
    numbers = {level_text(level): float(level) for level in levels}
    return NumericFactor(
        factor, factor.label, numbers, dict.fromkeys(numbers, ""), _geometric(sorted(numbers.values()))
    )


def _numeric_evaluation(factor: Factor, rows: Sequence[Row]) -> NumericFactor | None:
    """The evaluations along the one numeric setting in which they differ, if there is exactly one."""
    settings = {row.evaluation_name: row.settings for row in rows}
    names = list(dict.fromkeys(name for levels in settings.values() for name in levels))
    varying = [
        name
        for name in names
        if all(name in levels and is_number(levels[name]) for levels in settings.values())
        and len({levels[name] for levels in settings.values()}) > 1
    ]
    if len(varying) != 1:
        return None
    [label] = varying
    numbers = {name: float(levels[label]) for name, levels in settings.items()}
    lines = {
        name: ", ".join(in_words(other, level) for other, level in levels.items() if other != label)
        for name, levels in settings.items()
    }
    shown = label.strip("[]") if label.startswith("[") else label
    return NumericFactor(factor, shown, numbers, lines, _geometric(sorted(set(numbers.values()))))


def lines(rows: Sequence[Row], along: NumericFactor, others: Sequence[Factor]) -> list[Series]:
    """Series along one factor, one for each combination of the `others`; those of a single row are
    omitted."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        parts = [
            along.line_of[text_of(row, along.factor.label)],
            *(in_words(factor.label, value_of(row, factor.label)) for factor in others),
        ]
        groups.setdefault(" · ".join(part for part in parts if part), []).append(row)

    def x(row: Row) -> float:
        return along.numbers[text_of(row, along.factor.label)]

    return [
        Series(name, [x(row) for row in group], group)
        for name, group in ((name, sorted(group, key=x)) for name, group in groups.items())
        if len(group) > 1
    ]


def panels(rows: Sequence[Row], split: Sequence[Factor]) -> list[tuple[str, list[Row]]]:
    """Rows by their combination of levels of the factors `split`, with its name ("" without factors)."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(in_words(factor.label, value_of(row, factor.label)) for factor in split)
        groups.setdefault(key, []).append(row)
    return [(" · ".join(key), group) for key, group in groups.items()]


def _geometric(numbers: list[float]) -> bool:
    """Whether steps between increasing numbers vary less in ratio than in size."""
    if numbers[0] <= 0:
        return False
    pairs = list(itertools.pairwise(numbers))
    return _variation([math.log(b / a) for a, b in pairs]) < _variation([b - a for a, b in pairs])


def _variation(values: list[float]) -> float:
    """Standard deviation in units of the mean."""
    return statistics.pstdev(values) / statistics.mean(values)
