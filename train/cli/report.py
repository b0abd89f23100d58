"""Write a self-contained HTML report of judged policies, with videos; Markdown and JSON beside it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ...eval.cell import CONDITIONS
from ...eval.compare import compare
from ...eval.film import film
from ...eval.report import write_report
from ...eval.training import Training
from ..judge import Exam, contestant, judge


@dataclass(frozen=True)
class Report:
    """Write a report. Evaluations that are missing, controls and expert included, are run first."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs or policies."""
    out: Path = Path("report")
    """Folder of the report."""
    exam: Annotated[Exam, tyro.conf.arg(name="")] = field(default_factory=Exam)


def main(argv: list[str]) -> int:
    """`vla report RUN [RUN ...] --out FOLDER`."""
    args = tyro.cli(Report, args=argv, prog="vla report")
    if not args.runs:
        raise ValueError("name at least one run")
    contestants = [contestant(run, args.exam.task) for run in args.runs]
    results = [judge(who, args.exam, condition) for who in contestants for condition in CONDITIONS]
    results.append(judge(contestant("expert", args.exam.task), args.exam, "test"))
    comparison = compare(results)
    folders = {who.name: who.results.parent for who in contestants}
    trainings = {name: Training.load(run) for name, run in folders.items() if (run / "summary.json").exists()}
    clips = film(comparison, args.out / "videos")
    print(f"Report: {write_report(args.out, comparison, trainings, clips).resolve()}")
    return 0
