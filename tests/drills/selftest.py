"""Whether the drills can tell: programs and readers with a fault each, which must be found."""

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import numpy as np
from drills import fuzz, kill
from drills.spoiling import Damage, any_file

from vlasandbox.common.files import write_whole


def _hasty(folder: Path, say: kill.Say) -> None:
    """Says that it is done before it is."""
    for number in range(5):
        say(f"file {number}")
        write_whole(folder / f"file {number}", "content")


def _torn(folder: Path, say: kill.Say) -> None:
    """Leaves half a file, and takes it for a whole one."""
    path = folder / "file"
    if not path.exists():
        with path.open("w") as file:
            for _ in range(200):
                file.write("line\n")
                file.flush()
                write_whole(folder / "other", "content")


def _raising(folder: Path, say: kill.Say) -> None:
    """Is confused by what a kill leaves."""
    assert not (folder / "begun").exists()
    (folder / "begun").mkdir()
    write_whole(folder / "file", "content")
    (folder / "begun").rmdir()


def _there(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _content(folder: Path) -> dict[str, Any]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


PROGRAMS = {"lost": _hasty, "unequal": _torn, "tracebacks": _raising}


def _opens(folder: Path) -> str:
    return (folder / "file").read_bytes().hex()


def _writes(folder: Path) -> str:
    (folder.parent / "elsewhere").write_text("")
    return ""


def _hangs(folder: Path) -> str:
    while (folder / "file").read_bytes() != b"content":
        pass
    return ""


def _raises(folder: Path) -> str:
    assert (folder / "file").read_bytes() == b"content"
    return ""


def _blames(folder: Path) -> str:
    if (folder / "file").read_bytes() != b"content":
        raise FileNotFoundError(2, "bad luck", "file")
    return ""


READERS = {
    "other": _opens, "outside": _writes, "hang": _hangs, "traceback": _raises, "no way back": _blames,
}  # fmt: skip


def _make(folder: Path) -> None:
    folder.mkdir()
    (folder / "file").write_text("content")


def _spoil(folder: Path, rng: np.random.Generator) -> Damage:
    return any_file("file")(folder, rng)


def main() -> None:
    """Raises AssertionError for a fault that is not found."""
    fuzz.HANG = 0.5
    for fault, run in PROGRAMS.items():
        with tempfile.TemporaryDirectory() as scratch:
            case = kill.KillCase(run, _there, _content, 8)
            assert getattr(kill.drill(fault, case, Path(scratch), 8), fault), f"kill does not find {fault!r}"
    for fault, read in READERS.items():
        with tempfile.TemporaryDirectory() as scratch:
            case = fuzz.FuzzCase(_make, _spoil, read, 6, checked=False)
            found = fuzz.drill(fault, case, Path(scratch), 6).verdicts
            assert found[fault], f"fuzz does not find {fault!r}: {found}"
    print("found all of", *PROGRAMS, *READERS)


if __name__ == "__main__":
    main()
