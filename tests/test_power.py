"""What was promised is there after a power cut, whatever of the rest a disk has lost (drills/power.py)."""

from pathlib import Path

import pytest
from drills.power import Disk, every_crash, put, some_crashes
from drills.power_cases import CASES

pytestmark = pytest.mark.slow

SAMPLE = 12
"""Crash states of each case; `python tests/drills power` tries all."""


@pytest.mark.parametrize("name", CASES)
def test_a_power_cut_loses_nothing_that_was_promised(name: str, tmp_path: Path):
    case = CASES[name]
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk")
    with disk.follow():
        case.write(disk.root, disk)
    for number, (promised, outcome) in enumerate(some_crashes(disk, SAMPLE)):
        case.check(put(outcome, tmp_path / str(number)), promised)


def test_what_is_not_flushed_is_lost(tmp_path: Path):
    """The model can tell: the usual ways to write a file too soon do not pass."""
    disk = Disk(tmp_path)
    with disk.follow():
        (tmp_path / "new").write_text("content")
        (tmp_path / "new").rename(tmp_path / "name")
        disk.promise("said")
    found = [outcome for promised, outcome in every_crash(disk) if promised]
    assert {} in found  # the folder was not flushed
    assert {"name": b""} in found  # nor the file
    assert {"new": b"con"} in found
    assert {"name": b"content"} in found
