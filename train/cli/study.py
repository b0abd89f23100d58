"""Run a study: a grid of trainings with several seeds, judged alike, summed up with intervals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..study import load


@dataclass(frozen=True)
class Study:
    """Run a study. Stopped at any time, even killed, the same command goes on; nothing is done twice."""

    file: Annotated[Path, tyro.conf.Positional]
    """Python file that defines `study() -> Study` (see train/study.py); docs/findings has examples."""
    out: Path | None = None
    """Folder of everything; runs/studies/NAME by default."""


def main(argv: list[str]) -> int:
    """`vla study FILE`."""
    args = tyro.cli(Study, args=argv, prog="vla study")
    from ..study_run import run_study

    summary = run_study(load(args.file), args.out or Path("runs") / "studies" / args.file.stem)
    print(f"\n{summary.with_suffix('.md').read_text()}\nReport: {summary.resolve()}")
    return 0
