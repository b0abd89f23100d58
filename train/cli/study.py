"""Run a study: a grid of trainings with several seeds, judged alike, summed up with intervals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..study.definition import load

POSITION = 30


@dataclass(frozen=True)
class Study:
    """Run a study. Stopped at any time, even killed, the same command goes on; nothing is done twice.

    FILE is Python and is run: name one only if you trust whoever wrote it."""

    file: Annotated[Path, tyro.conf.Positional]
    """Python file that defines `study() -> Study` (see train/study); docs/findings has examples. It is run
    with all your rights, like any program: read a stranger's first (SECURITY.md)."""
    out: Path | None = None
    """Folder of everything; runs/studies/NAME by default. With --ray it must be on a file system that all
    machines share, under the same path."""
    ray: str | None = None
    """Run the cells as tasks of a Ray cluster (pip install 'vlasandbox[ray]'): the address of its head,
    auto for the one that this machine is in, local for a new one on this machine."""


def main(argv: list[str]) -> int:
    """Run `vla study FILE`."""
    args = tyro.cli(Study, args=argv, prog="vla study")
    from ..parallel import sigterm_interrupts
    from ..study.ray_backend import cluster, run_on_ray
    from ..study.runner import run_study

    study, out = load(args.file), args.out or Path("runs") / "studies" / args.file.stem
    with sigterm_interrupts():
        if args.ray is None:
            summary = run_study(study, out)
        else:
            with cluster(args.ray) as cores:
                summary = run_study(study, out.resolve(), run_jobs=run_on_ray, at_once=cores)
    print(f"\n{summary.with_suffix('.md').read_text()}\nReport: {summary.resolve()}")
    return 0
