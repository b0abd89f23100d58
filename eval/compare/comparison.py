"""Compares finished evaluations, and says no more than their number of episodes can carry."""

import math
from dataclasses import dataclass
from typing import Any

from ..result import CONDITIONS, EXPERT, Condition, EvalResult
from ..stats.pairwise import PairwiseComparison, compare_pairs, group_letters
from . import statements
from .score import SuccessRate
from .text_table import aligned


@dataclass(frozen=True)
class Comparison:
    """What `compare` found."""

    task: str
    cells: dict[tuple[str, Condition], SuccessRate]
    """By policy and condition, the expert's too."""
    policies: list[str]
    """Without the expert; the most successful first."""
    pairs: list[PairwiseComparison]
    """On the test condition."""
    letters: dict[str, str]
    """Policies that share a letter are not distinguishable."""

    def cell(self, policy: str, condition: Condition = "test") -> SuccessRate | None:
        """The cell, if this was evaluated."""
        return self.cells.get((policy, condition))

    @property
    def verdicts(self) -> list[str]:
        """What can be said: the whole, each pair, each control, and what to be careful about."""
        cells = list(self.cells.values())
        whole = statements.summary([name for name in self.policies if name in self.letters], self.pairs)
        return [
            *([whole] if whole else []),
            *map(statements.of_pair, self.pairs),
            *statements.of_controls(cells),
            *statements.cautions(cells),
        ]

    @property
    def resolution(self) -> str:
        """What difference this number of seeds finds; empty without pairs."""
        pairs = [pair for pair in self.pairs if pair.table.n]
        if not pairs:
            return ""
        coarse = max(pairs, key=lambda pair: pair.resolves)
        if coarse.resolves >= 100:
            return f"{coarse.table.n} shared seeds are too few to find any difference with 80 % power."
        difference = statements.points(coarse.resolves)
        return f"{coarse.table.n} shared seeds find a difference of {difference} with 80 % power."

    @property
    def names(self) -> list[str]:
        """The policies, then the expert if it was evaluated."""
        return list(dict.fromkeys(name for name, _ in self.cells))

    @property
    def results(self) -> list[EvalResult]:
        """All evaluations: policies as in `policies`, then the expert, conditions as in CONDITIONS."""
        return [cell.result for cell in self.cells.values()]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: {"policies": {name: {condition: {...}, ...}}, "expert": {...}, "pairs": [...], ...}."""
        expert = self.cell(EXPERT)
        return {
            "task": self.task,
            "policies": {name: self._policy(name) for name in self.policies},
            "expert": expert.to_dict() if expert else None,
            "pairs": [pair.to_dict() for pair in self.pairs],
            "verdicts": self.verdicts,
        }

    def _policy(self, name: str) -> dict[str, Any]:
        tested = {c: cell for c in CONDITIONS if (cell := self.cell(name, c))}
        latest = self.representative(name)
        return {c: cell.to_dict() for c, cell in tested.items()} | {
            "group": self.letters.get(name),
            "checkpoint": latest.checkpoint,
            "evaluations": latest.evaluations,
            "chunk_ms": {"p50": _finite(latest.chunk_ms_p50), "p95": _finite(latest.chunk_ms_p95)},
            "holds_hz": _finite(latest.holds_hz),
        }

    def table(self) -> str:
        """Plain text for a terminal, one line a policy."""
        head = [
            "policy",
            "success",
            "95 % interval",
            "group",
            "steps",
            "swapped",
            "blank",
            "ms/chunk (p95)",
            "up to Hz",
            "passes",
            "errors",
        ]
        return aligned([head, *(self._row(name) for name in self.names)])

    def _row(self, name: str) -> list[str]:
        cells = [self.cell(name, condition) for condition in CONDITIONS]
        result = self.representative(name)
        timed = math.isfinite(result.chunk_ms_p50)
        return [
            name,
            cells[0].counts if cells[0] else "-",
            cells[0].percent if cells[0] else "-",
            self.letters.get(name, "-"),
            f"{cells[0].steps:.1f}" if cells[0] and cells[0].steps else "-",
            *(cell.counts if cell else "-" for cell in cells[1:]),
            f"{result.chunk_ms_p50:.1f} ({result.chunk_ms_p95:.1f})" if timed else "-",
            f"{result.holds_hz:.1f}" if timed else "-",
            "-" if name == EXPERT else str(result.evaluations),
            str(sum(cell.result.errors for cell in cells if cell)),
        ]

    def representative(self, name: str) -> EvalResult:
        """The evaluation that stands for the policy: the test, if there was one."""
        return next(cell.result for condition in CONDITIONS if (cell := self.cell(name, condition)))


def compare(results: list[EvalResult]) -> Comparison:
    """Compares policies of one task on the seeds they share.

    Raises:
        ValueError: nothing to compare, several tasks, or one policy twice under one condition.
    """
    if not results:
        raise ValueError("nothing to compare: give at least one evaluation")
    tasks = sorted({result.task for result in results})
    if len(tasks) > 1:
        raise ValueError(f"evaluations of one task can be compared, these are of {', '.join(tasks)}")
    found: dict[tuple[str, Condition], SuccessRate] = {}
    for result in results:
        key = (result.policy, result.condition)
        if key in found:
            raise ValueError(
                f"two evaluations are called {key[0]!r} ({key[1]}); give every policy a name of its own"
            )
        if not result.episodes:
            raise ValueError(f"the evaluation of {key[0]!r} ({key[1]}) holds no episode")
        found[key] = SuccessRate.of(result)

    given = list(dict.fromkeys(name for name, _ in found if name != EXPERT))

    def best_first(name: str) -> float:
        cell = found.get((name, "test"))
        return -cell.rate if cell and math.isfinite(cell.rate) else math.inf

    policies = sorted(given, key=best_first)
    cells: dict[tuple[str, Condition], SuccessRate] = {
        (name, condition): found[name, condition]
        for name in [*policies, EXPERT]
        for condition in CONDITIONS
        if (name, condition) in found
    }
    tested = [cells[name, "test"].result for name in policies if (name, "test") in cells]
    pairs = compare_pairs(tested)
    letters = group_letters([result.policy for result in tested], pairs)
    return Comparison(tasks[0], cells, policies, pairs, letters)


def _finite(value: float) -> float | None:
    """JSON knows no nan."""
    return value if math.isfinite(value) else None
