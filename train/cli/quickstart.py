"""Record demonstrations, train four action heads, judge them on the same unseen episodes, write a report."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ..workflows.quickstart import QuickstartConfig, quickstart

POSITION = 10


@dataclass(frozen=True)
class Quickstart:
    """Compare four action heads, from nothing. Interrupted at any time, the same command continues."""

    out: Path = Path("runs") / "quickstart"
    """Folder of everything."""
    config: Annotated[QuickstartConfig, tyro.conf.arg(name="")] = field(default_factory=QuickstartConfig)


def main(argv: list[str]) -> int:
    """Run `vla quickstart`."""
    args = tyro.cli(Quickstart, args=argv, prog="vla quickstart", config=(tyro.conf.FlagCreatePairsOff,))
    quickstart(args.config, args.out)
    return 0
