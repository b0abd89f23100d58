"""The whole drills: `python tests/drills [NAME ...]` prints tables of what was tried and what was lost.

`--share 0.02` does a fiftieth of each; `--only CASE` does one case or more; `--seed 1` draws other moments.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "helpers")]
os.environ.update(OMP_NUM_THREADS="1", VLASANDBOX_ALLOW="drills", HF_HUB_OFFLINE="1", TQDM_DISABLE="1")

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where drills work: a kill leaves the same in memory as on a disk, and flushing takes no time."""
Row = dict[str, str | int]
"""Column -> what stands there."""


def power(args: argparse.Namespace) -> list[Row]:
    """Power cuts: states that a disk may be left in."""
    from drills.power import Disk, every_crash, put, some_crashes
    from drills.power_cases import CASES

    drawn = 200
    rows: list[Row] = []
    for name, case in CASES.items():
        if args.only and name not in args.only:
            continue
        with tempfile.TemporaryDirectory(dir=MEMORY) as scratch:
            folder = Path(scratch)
            (folder / "disk").mkdir()
            disk = Disk(folder / "disk")
            with disk.follow():
                case.write(disk.root, disk)
            tried = lost = 0
            most = max(1, round(1000 * args.share))
            draws = some_crashes(disk, max(1, round(drawn * args.share)), args.seed)
            for states in (draws, limited(every_crash(disk), most)):
                for promised, outcome in states:
                    tried += 1
                    try:
                        case.check(put(outcome, folder / str(tried)), promised)
                    except Exception as error:
                        lost += 1
                        print(f"{name}: {promised}: {type(error).__name__}: {error}", file=sys.stderr)
        rows.append({"power cut while": name, "states tried": tried, "lost": lost})
    return rows


def limited(states, most: int):
    """The first ones, and then every tenth, hundredth, ...: of many alike not all."""
    for number, state in enumerate(states):
        if number < most or number % 10 ** (len(str(number // most))) == 0:
            yield state


def kill(args: argparse.Namespace) -> list[Row]:
    """SIGKILLs: programs that are killed at any moment and go on."""
    from drills.kill import cases, drill

    return [
        {
            "killed": name, "kills": tally.kills, "folders": tally.folders, "lost": tally.lost,
            "unequal": tally.unequal, "tracebacks": tally.tracebacks, "hangs": tally.hangs,
            "seconds": seconds,
        }
        for name, tally, seconds in tallies(args, cases(), drill, lambda case: case.kills)
    ]  # fmt: skip


def fuzz(args: argparse.Namespace) -> list[Row]:
    """Spoiled files and odd values."""
    from drills.fuzz import FAULTS, VERDICTS, cases, drill

    return [
        {"read": name, "inputs": tally.inputs}
        | {verdict: tally.verdicts[verdict] for verdict in VERDICTS}
        | {"faults": sum(tally.verdicts[x] for x in FAULTS), "seconds": seconds}
        for name, tally, seconds in tallies(args, cases(), drill, lambda case: case.inputs)
    ]


def tallies(
    args: argparse.Namespace, cases: dict[str, Any], drill: Callable[..., Any], most: Callable[[Any], int]
) -> Iterator[tuple[str, Any, int]]:
    """Name, tally and seconds of each case that is asked for, in a folder of its own; prints its notes."""
    for name, case in cases.items():
        if args.only and name not in args.only:
            continue
        with tempfile.TemporaryDirectory(dir=MEMORY) as scratch:
            os.environ["VLASANDBOX_FRAMES"] = f"{scratch}/frames"
            begun = time.monotonic()
            tally = drill(name, case, Path(scratch), max(1, round(most(case) * args.share)), args.seed)
        print("\n".join(tally.notes), file=sys.stderr, flush=True)
        yield name, tally, round(time.monotonic() - begun)


DRILLS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {"power": power, "kill": kill, "fuzz": fuzz}
COUNTED = ("lost", "unequal", "tracebacks", "hangs", "faults")
"""Columns that must be 0."""


def table(rows: list[Row]) -> str:
    """Rows under their names, with a sum."""
    names = list(rows[0])
    sums = [sum(v for row in rows if isinstance(v := row[name], int)) for name in names[1:]]
    lines = [names, *([str(row[name]) for name in names] for row in rows), ["all", *map(str, sums)]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    return "\n".join(
        "  ".join(
            x.ljust(w) if i == 0 else x.rjust(w) for i, (x, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def main() -> int:
    """Runs the drills that are named, or all."""
    parser = argparse.ArgumentParser(prog="python tests/drills", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*DRILLS, []], metavar="NAME", help=", ".join(DRILLS))
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", action="append")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    faults = 0
    for name in args.names or DRILLS:
        begun = time.monotonic()
        rows = DRILLS[name](args)
        if not rows:
            parser.error(f"{name} has no case {args.only!r}")
        print(f"{table(rows)}\nin {time.monotonic() - begun:.0f} s\n", flush=True)
        faults += sum(int(row.get(column, 0)) for row in rows for column in COUNTED)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
