"""Train one policy on many tasks: record, train, judge task by task, report."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ..workflows.suite import SuiteConfig, run_suite

POSITION = 20


@dataclass(frozen=True)
class Suite:
    """Train one policy on many tasks. Interrupted at any time, the same command goes on."""

    out: Path = Path("runs/suite")
    """Folder for demonstrations, training and report."""
    config: Annotated[SuiteConfig, tyro.conf.arg(name="")] = field(default_factory=SuiteConfig)


def main(argv: list[str]) -> int:
    """Run `vla suite`."""
    args = tyro.cli(Suite, args=argv, prog="vla suite")
    print(f"Summary: {run_suite(args.config, args.out).resolve()}")
    return 0
