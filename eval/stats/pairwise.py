"""Pairwise comparison of several policies, with Holm's correction and a compact letter display."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..result import EvalResult
from .paired import PairedTable, paired_table, resolvable_paired

ALPHA = 0.05
"""Familywise error rate: the probability of any false difference."""


@dataclass(frozen=True)
class PairwiseComparison:
    """Comparison of two policies on the same seeds."""

    first: str
    second: str
    table: PairedTable
    p_holm: float
    """The table's p-value, corrected for the number of pairs (Holm 1979)."""
    tests: int
    """Number of pairs corrected for."""

    @property
    def points(self) -> float:
        """Success rate of `first` minus that of `second` [percentage points]."""
        return 100 * self.table.difference

    @property
    def real(self) -> bool:
        """Whether the corrected test is significant."""
        return self.p_holm < ALPHA

    @property
    def resolves(self) -> float:
        """Smallest difference that these seeds detect with 80% power [percentage points].

        Tested at the level of the first step of Holm's correction.
        """
        if self.table.n == 0:
            return 100.0
        return 100 * resolvable_paired(self.table.n, self.table.discordance, self._level)

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of `points`; those of all pairs hold simultaneously with 95% confidence (Bonferroni)."""
        low, high = self.table.interval(self._level)
        return 100 * low, 100 * high

    @property
    def _level(self) -> float:
        return 1 - ALPHA / self.tests

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        low, high = self.interval
        return {
            "first": self.first,
            "second": self.second,
            "n": self.table.n,
            "both": self.table.both,
            "only_first": self.table.only_a,
            "only_second": self.table.only_b,
            "neither": self.table.neither,
            "excluded_seeds": list(self.table.excluded),
            "difference_points": self.points,
            "difference_interval": [low, high],
            "p": self.table.p_value,
            "p_holm": self.p_holm,
            "resolves_points": self.resolves,
            "real": self.real,
        }


def compare_pairs(results: list[EvalResult]) -> list[PairwiseComparison]:
    """Compares every pair of `results`, in their order.

    Raises:
        ValueError: the seeds differ.
    """
    found = list(itertools.combinations(results, 2))
    tables = [paired_table(first, second) for first, second in found]
    corrected = holm([table.p_value for table in tables])
    return [
        PairwiseComparison(first.policy, second.policy, table, p, len(found))
        for (first, second), table, p in zip(found, tables, corrected, strict=True)
    ]


def holm(ps: list[float]) -> list[float]:
    """Corrects p-values so that the familywise error rate is that of a single test.

    Holm, "A simple sequentially rejective multiple test procedure" (1979): the i-th smallest of m is
    multiplied by m - i + 1 and may not be smaller than the previous one.
    holm([0.01, 0.04, 0.03]) -> [0.03, 0.06, 0.06].
    """
    corrected = [0.0] * len(ps)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, ps[i] * (len(ps) - rank)))
        corrected[i] = largest
    return corrected


@runtime_checkable
class Contrast(Protocol):
    """Pair of names that may differ."""

    @property
    def first(self) -> str: ...
    @property
    def second(self) -> str: ...
    @property
    def real(self) -> bool:
        """Whether the two names differ."""
        ...


def group_letters(names: list[str], pairs: Iterable[Contrast]) -> dict[str, str]:
    """Compact letter display: two policies share a letter if and only if they are not distinguishable.

    Insert and absorb (Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons",
    2004): start with one group of all; each real difference splits every group that contains both; a group
    inside another is dropped. Letters follow the order of `names`, so sort these by success. With a > c the
    only real difference, names [a, b, c] get {"a": "A", "b": "AB", "c": "B"}.
    """
    groups = [frozenset(names)]
    for pair in pairs:
        if not pair.real:
            continue
        split = set()
        for group in groups:
            if {pair.first, pair.second} <= group:
                split |= {group - {pair.first}, group - {pair.second}}
            else:
                split.add(group)
        groups = [group for group in split if not any(group < other for other in split)]
    groups.sort(key=lambda group: sorted(names.index(name) for name in group))
    return {
        name: "".join(chr(ord("A") + i) for i, group in enumerate(groups) if name in group) for name in names
    }
