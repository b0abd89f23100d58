"""Compares finished evaluations of several policies on one task."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...common.errors import InputError
from ..result import CONDITIONS, EXPERT, Condition, EvalResult
from ..stats.pairwise import PairwiseComparison, compare_pairs, group_letters
from ..table import Table
from . import statements
from .score import SuccessRate


@dataclass(frozen=True)
class Comparison:
    """Success rates of several policies, and which of them differ."""

    task: str
    rates: dict[tuple[str, Condition], SuccessRate]
    """Success rate by policy and condition, the expert's included."""
    policies: list[str]
    """Names without the expert, the most successful first."""
    pairs: list[PairwiseComparison]
    """All pairs of policies, under the test condition."""
    letters: dict[str, str]
    """Compact letter display: policies that share a letter are not distinguishable."""

    def rate_of(self, policy: str, condition: Condition = "test") -> SuccessRate | None:
        """Success rate of a policy under a condition; None if that was not evaluated."""
        return self.rates.get((policy, condition))

    @cached_property
    def summary(self) -> list[str]:
        """Statements about the ranking and the controls, and cautions."""
        rates = list(self.rates.values())
        tested = [name for name in self.policies if name in self.letters]
        ranking = statements.ranking_statement(tested, self.pairs)
        return [
            *([ranking] if ranking else []),
            *statements.control_statements(rates),
            *statements.cautions(rates),
        ]

    @cached_property
    def pair_statements(self) -> list[str]:
        """One statement for each of `pairs`."""
        return [statements.pair_statement(pair) for pair in self.pairs]

    @property
    def statements(self) -> list[str]:
        """Statements about the ranking, each pair and each control, and cautions."""
        first = 1 if self.pairs else 0
        return [*self.summary[:first], *self.pair_statements, *self.summary[first:]]

    @property
    def resolution(self) -> str:
        """Statement of the difference that this number of seeds detects; empty without pairs."""
        pairs = [pair for pair in self.pairs if pair.table.n]
        if not pairs:
            return ""
        coarse = max(pairs, key=lambda pair: pair.resolves)
        if coarse.resolves >= 100:
            return f"{coarse.table.n} shared seeds are too few to detect any difference with 80% power."
        difference = statements.points(coarse.resolves)
        return f"{coarse.table.n} shared seeds detect a difference of {difference} with 80% power."

    @property
    def names(self) -> list[str]:
        """The policies, then the expert if it was evaluated."""
        return list(dict.fromkeys(name for name, _ in self.rates))

    @property
    def results(self) -> list[EvalResult]:
        """All evaluations: policies as in `policies`, then the expert, conditions as in CONDITIONS."""
        return [rate.result for rate in self.rates.values()]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: {"policies": {name: {condition: {...}, ...}}, "expert": {...}, "pairs": [...], ...}."""
        expert = self.rate_of(EXPERT)
        return {
            "task": self.task,
            "policies": {name: self._policy(name) for name in self.policies},
            "expert": expert.to_dict() if expert else None,
            "pairs": [pair.to_dict() for pair in self.pairs],
            "statements": self.statements,
        }

    def _policy(self, name: str) -> dict[str, Any]:
        tested = {c: rate for c in CONDITIONS if (rate := self.rate_of(name, c))}
        latest = self.representative(name)
        return {c: rate.to_dict() for c, rate in tested.items()} | {
            "group": self.letters.get(name),
            "checkpoint": latest.checkpoint,
            "evaluations": latest.evaluations,
            "chunk_ms": {"p50": _finite(latest.chunk_ms_p50), "p95": _finite(latest.chunk_ms_p95)},
            "holds_hz": _finite(latest.holds_hz),
        }

    def table(self) -> str:
        """Plain text for a terminal, one line per policy."""
        head = [
            "policy",
            "success",
            "95% interval",
            "group",
            "steps",
            "swapped",
            "blank",
            "ms/chunk (p95)",
            "max Hz",
            "NFE",
            "errors",
            *(["missing"] if self._any_missing else []),
        ]
        return Table(head, [self._row(name) for name in self.names]).aligned()

    def _row(self, name: str) -> list[str]:
        rates = [self.rate_of(name, condition) for condition in CONDITIONS]
        test = rates[0]
        result = self.representative(name)
        timed = math.isfinite(result.chunk_ms_p50)
        return [
            name,
            test.counts if test else "-",
            test.percent if test else "-",
            self.letters.get(name, "-"),
            f"{test.steps:.1f}" if test and test.steps else "-",
            *(rate.counts if rate else "-" for rate in rates[1:]),
            f"{result.chunk_ms_p50:.1f} ({result.chunk_ms_p95:.1f})" if timed else "-",
            f"{result.holds_hz:.1f}" if timed else "-",
            "-" if name == EXPERT else str(result.evaluations),
            str(sum(rate.result.errors for rate in rates if rate)),
            *([str(sum(rate.result.missing for rate in rates if rate))] if self._any_missing else []),
        ]

    @property
    def _any_missing(self) -> bool:
        return any(rate.result.missing for rate in self.rates.values())

    def representative(self, name: str) -> EvalResult:
        """The evaluation that stands for the policy: its first condition, the test if there was one."""
        return next(rate.result for condition in CONDITIONS if (rate := self.rate_of(name, condition)))


def compare(results: Sequence[EvalResult]) -> Comparison:
    """Compares policies of one task on the seeds they share.

    Raises:
        ValueError: no results, several tasks, or one policy twice under one condition.
    """
    if not results:
        raise InputError("nothing to compare: give at least one evaluation")
    tasks = sorted({result.task for result in results})
    if len(tasks) > 1:
        raise InputError(f"only evaluations of one task can be compared, got {', '.join(tasks)}")
    found: dict[tuple[str, Condition], SuccessRate] = {}
    for result in results:
        key = (result.policy, result.condition)
        if key in found:
            raise InputError(
                f"two evaluations are called {key[0]!r} ({key[1]}); give every policy a unique name"
            )
        if not result.episodes:
            raise InputError(f"the evaluation of {key[0]!r} ({key[1]}) has no episodes")
        found[key] = SuccessRate.of(result)

    given = list(dict.fromkeys(name for name, _ in found if name != EXPERT))

    def best_first(name: str) -> float:
        rate = found.get((name, "test"))
        return -rate.rate if rate and math.isfinite(rate.rate) else math.inf

    policies = sorted(given, key=best_first)
    rates: dict[tuple[str, Condition], SuccessRate] = {
        (name, condition): found[name, condition]
        for name in [*policies, EXPERT]
        for condition in CONDITIONS
        if (name, condition) in found
    }
    tested = [rates[name, "test"].result for name in policies if (name, "test") in rates]
    pairs = compare_pairs(tested)
    letters = group_letters([result.policy for result in tested], pairs)
    return Comparison(tasks[0], rates, policies, pairs, letters)


def _finite(value: float) -> float | None:
    """Replaces NaN, which JSON lacks."""
    return value if math.isfinite(value) else None
