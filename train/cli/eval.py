"""Judge policies on held-out seeds: success with its interval, controls, latency."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from ...eval.cell import CONDITIONS
from ...eval.compare import compare
from ...eval.result import Condition
from ..judge import Exam, contestant, judge


@dataclass(frozen=True)
class Eval:
    """Judge policies. Results are kept in RUN/eval; what was judged before is read, not run again."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs or policies; "expert" is the task's scripted expert."""
    exam: Annotated[Exam, tyro.conf.arg(name="")] = field(default_factory=Exam)
    condition: tuple[Condition, ...] = ("test",)
    """test; swapped_instruction: the sentence names another object of the scene, success stays about the
    original; blank_image: uniform grey."""


def main(argv: list[str]) -> int:
    """`vla eval RUN [RUN ...]`."""
    args = tyro.cli(Eval, args=argv, prog="vla eval")
    if not args.runs:
        raise ValueError("name at least one run, or 'expert'")
    contestants = [contestant(run, args.exam.task) for run in args.runs]
    results = [judge(who, args.exam, c) for who in contestants for c in CONDITIONS if c in args.condition]
    print(compare(results).table())
    for who in contestants:
        print(f"{who.name}: {who.results}")
    return 0
