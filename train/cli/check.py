"""Verify what is in a folder by its checksums: datasets, policies, runs, evaluations, studies."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import InputError
from ..integrity import check_folder

POSITION = 115


@dataclass(frozen=True)
class Check:
    """Verify everything in a folder, one line per thing. Exit status 1: something is damaged, or is declared
    and missing; its line says the way back. Nothing is written, and no code is run that a file names."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of a dataset, policy, run, evaluation or study, or one with any of them in it."""


def main(argv: list[str]) -> int:
    """Run `vla check FOLDER`."""
    args = tyro.cli(Check, args=argv, prog="vla check")
    looked_at, damaged = 0, 0
    for found in check_folder(args.folder):
        looked_at += 1
        damaged += not found.whole
        print(f"{'ok' if found.whole else 'DAMAGED':8}{found.kind:11}{found.path}: {found.note}", flush=True)
    if not looked_at:
        raise InputError(f"nothing in {args.folder} is a dataset, policy, run, evaluation or study")
    if damaged:
        print(f"vla check: {damaged} of {looked_at} damaged or incomplete, see above", file=sys.stderr)
    return int(bool(damaged))
