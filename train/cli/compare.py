"""Compare policies on the same test seeds: intervals, paired exact tests, what n can resolve."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from ...eval.compare import compare
from ...eval.result import Condition
from ..judge import Exam, contestant, judge


@dataclass(frozen=True)
class Compare:
    """Compare policies. Evaluations that are missing are run first and kept in the run's folder."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs or policies; "expert" is the task's scripted expert."""
    exam: Annotated[Exam, tyro.conf.arg(name="")] = field(default_factory=Exam)
    condition: tuple[Condition, ...] = ("test",)
    """Which conditions to show; the paired tests are about the test condition."""


def main(argv: list[str]) -> int:
    """`vla compare RUN RUN ...`."""
    args = tyro.cli(Compare, args=argv, prog="vla compare")
    if len(args.runs) < 2:
        raise ValueError(f"a comparison needs at least two runs, got {len(args.runs)}")
    contestants = [contestant(run) for run in args.runs]
    comparison = compare([judge(who, args.exam, c) for who in contestants for c in args.condition])
    print(comparison.table())
    print()
    print("\n".join(comparison.verdicts))
    return 0
