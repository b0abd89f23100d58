"""A sample of the drills (`python tests/drills` does all of them): nothing lost, unequal or let in."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DRILLS = Path(__file__).parent / "drills"


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, str(DRILLS), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(
    ("command", "least"),
    [
        ("kill --share 0.01 --only commit --only train --only record --only evaluate", 9),
        ("fuzz --share 0.01", 50),
    ],
)
def test_a_sample_of_the_drill_finds_no_fault(command: str, least: int):
    table = run(*command.split())
    (total,) = re.findall(r"^all +(\d+)", table, re.MULTILINE)
    assert int(total) >= least, table


def test_the_drills_find_each_kind_of_fault():
    done = subprocess.run([sys.executable, str(DRILLS / "selftest.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
