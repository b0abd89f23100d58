"""The whole drills: `python tests/drills [NAME ...]` prints a table of what was tried and what was lost."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from drills.power import Disk, every_crash, put, some_crashes
from drills.power_cases import CASES

DRAWN = 200
"""Further states of each case, drawn from all of them."""


def power() -> list[tuple[str, int, int]]:
    """Power cuts, as (what was written, states tried, states in which something was lost)."""
    rows = []
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "disk").mkdir()
            disk = Disk(folder / "disk")
            with disk.follow():
                case.write(disk.root, disk)
            tried = lost = 0
            for states in (some_crashes(disk, DRAWN), limited(every_crash(disk))):
                for promised, outcome in states:
                    tried += 1
                    try:
                        case.check(put(outcome, folder / str(tried)), promised)
                    except Exception as error:
                        lost += 1
                        print(f"{name}: {promised}: {type(error).__name__}: {error}", file=sys.stderr)
        rows.append((f"power cut: {name}", tried, lost))
    return rows


def limited(states, most: int = 1000):
    """The first ones, and then every tenth, hundredth, ...: of many alike not all."""
    for number, state in enumerate(states):
        if number < most or number % 10 ** (len(str(number // most))) == 0:
            yield state


DRILLS: dict[str, Callable[[], list[tuple[str, int, int]]]] = {"power": power}


def main(names: list[str]) -> int:
    """Runs the drills called `names`, or all."""
    rows, start = [], time.monotonic()
    for name in names or DRILLS:
        rows += DRILLS[name]()
    width = max(len(what) for what, *_ in rows)
    print(f"{'drill':{width}}  tried  lost")
    for what, tried, lost in rows:
        print(f"{what:{width}}  {tried:5}  {lost:4}")
    print(f"in {time.monotonic() - start:.0f} s")
    return int(any(lost for *_, lost in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
