"""Check this machine: versions, rendering, precision, threads, costs; names what is wrong and its cure."""

from dataclasses import dataclass

import tyro

from .. import diagnostics

POSITION = 130


@dataclass(frozen=True)
class Doctor:
    """Check this machine. Exit status 1 if something is broken; warnings alone leave it 0."""

    gl: bool = False
    """Whether to check only that MuJoCo can render."""


def main(argv: list[str]) -> int:
    """Run `vla doctor [--gl]`."""
    args = tyro.cli(Doctor, args=argv, prog="vla doctor", config=(tyro.conf.FlagCreatePairsOff,))
    failed = False
    for check in (lambda: diagnostics.rendering(fps=False),) if args.gl else diagnostics.CHECKS:
        found = check()
        for result in found if isinstance(found, list) else [found]:
            show(result)
            failed |= result.status == "fail"
    return 1 if failed else 0


def show(check: diagnostics.Check) -> None:
    """Print one check, its cure on a line of its own."""
    print(f"{check.status:<5} {check.name:<11} {check.value}", flush=True)
    if check.cure:
        print(f"{'':<17} cure: {check.cure}", flush=True)
