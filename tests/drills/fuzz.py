"""Reads spoiled files and odd values, and looks at what comes of it: a clear message, the content that was
written, or a fault.

A fault is a traceback, a hang, another content where a checksum could tell, damage that `vla check` does not
see, a message without a way back, much memory, or a file written, read or imported outside what was named.
"""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import resource
import select
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlasandbox.train.errors import mistake_message
from vlasandbox.train.integrity import check_folder

from .processes import HIDDEN_STATUS, fork, kill_tree
from .spoiling import Damage

HANG = 10.0
"""Time of the processor after which an input hangs [s]; of the clock, three times as much."""
MEMORY = 2**30
"""Memory that no input here should take [bytes]."""
WAYS_BACK = ("again", "delete", "choose", "new folder", "another", "rename", "give ", "without the entry")
"""Words of a message that says what to do."""
LURES = ("lure_module", "this", "antigravity", "venv", "idlelib", "turtle")
"""Modules that a spoiled name may ask for."""


class AgainError(Exception):
    """What was read says that the work is to be done again."""


class AcceptedError(BaseException):
    """A value was taken, and work would begin."""


@dataclass(frozen=True)
class FuzzCase:
    """Something that is read."""

    make: Callable[[Path], None]
    """Fills a folder as this program does."""
    spoil: Callable[[Path, np.random.Generator], Damage]
    """Changes something there."""
    read: Callable[[Path], Any]
    """What a reader gets of it, as something that can be compared."""
    inputs: int
    """Of the whole drill."""
    checked: bool = True
    """Whether `vla check` knows such things."""
    setup: Callable[[], None] = lambda: None
    """Called once in each process that reads."""


@dataclass
class Tally:
    """What came of the inputs of one case."""

    inputs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


VERDICTS = ("clear", "equal", "edited", "traceback", "hang", "other", "unnoticed", "no way back", "outside")
"""The first three are as they should be; "edited" is another content without a checksum that could tell."""
FAULTS = VERDICTS[3:]


def cases() -> dict[str, FuzzCase]:
    """All cases, by name: the modules of fuzz_cases have a dictionary of them each."""
    from . import fuzz_cases

    found: dict[str, FuzzCase] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(fuzz_cases.__path__)):
        if not module.startswith("_"):
            found |= importlib.import_module(f"{fuzz_cases.__name__}.{module}").CASES
    return found


class Watch:
    """Notes the files that are written outside a folder, lures that are read, and modules that are lures."""

    def __init__(self, folder: Path, lure: Path) -> None:
        self._inside, self._lure = str(folder), str(lure)
        self.notes: list[str] = []
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "import" and args[0].partition(".")[0] in LURES:
            self.notes.append(f"imports {args[0]}")
        elif event == "open":
            path, mode, flags = args
            writes = (mode is not None and set(str(mode)) & set("wax+")) or (
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
            )
            self._look(path, bool(writes))
        elif event in (
            "os.rename",
            "os.remove",
            "os.mkdir",
            "os.rmdir",
            "os.truncate",
            "os.link",
            "os.symlink",
        ):
            self._look(args[0], True)

    def _look(self, path: Any, writes: bool) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        place = os.path.realpath(os.fsdecode(path))
        if place.startswith(self._lure):
            self.notes.append(f"touches {path!r}")
        elif writes and not place.startswith((self._inside, "/dev/", "/proc/")):
            self.notes.append(f"writes {path!r}")


def drill(name: str, case: FuzzCase, scratch: Path, inputs: int, seed: int = 0) -> Tally:
    """Reads so many spoiled inputs."""
    tally = Tally()
    (scratch / "lure").mkdir(parents=True)
    (scratch / "lure/secret").write_text("not to be read")
    (scratch / "lure/lure_module.py").write_text("Config = None\n")
    case.make(scratch / "pristine")
    number = 0
    while number < inputs:
        number = _some(name, case, scratch, number, inputs, seed, tally)
    return tally


def _some(name: str, case: FuzzCase, scratch: Path, first: int, end: int, seed: int, tally: Tally) -> int:
    """Reads inputs in one process until it ends or hangs; returns the number of the next one."""
    hears, says = os.pipe()
    child = fork(lambda: _read_all(case, scratch, first, end, seed, says))
    os.close(says)
    begun, number, buffer = time.monotonic(), first, b""
    spent = 0.0
    while number < end:
        if select.select([hears], [], [], 0.2)[0]:
            data = os.read(hears, 2**20)
            if not data:
                break
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                _count(name, number, json.loads(line), tally)
                number += 1
            if lines:
                begun, spent = time.monotonic(), _cpu(child)
        elif time.monotonic() - begun > 3 * HANG or _cpu(child) - spent > HANG:
            _count(name, number, {"verdict": "hang", "note": ""}, tally)
            number += 1
            break
    else:
        os.close(hears)
        os.waitpid(child, 0)
        return end
    kill_tree(child)
    os.close(hears)
    _, status = os.waitpid(child, 0)
    if number == first and os.waitstatus_to_exitcode(status) == HIDDEN_STATUS:
        raise RuntimeError(f"{name} cannot be read as it is")
    if number < end and buffer == b"" and os.waitstatus_to_exitcode(status) not in (0, -9):
        _count(name, number, {"verdict": "traceback", "note": f"process ended with {status}"}, tally)
        number += 1
    return number


def _cpu(process: int) -> float:
    try:
        parts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _count(name: str, number: int, found: dict[str, str], tally: Tally) -> None:
    tally.inputs += 1
    tally.verdicts[found["verdict"]] += 1
    if found["verdict"] in FAULTS:
        tally.notes.append(f"{name} {number}: {found['verdict']}: {found['note']}")


def _read_all(case: FuzzCase, scratch: Path, first: int, end: int, seed: int, says: int) -> int:
    """Body of a process: spoils, reads and judges."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    folder = scratch / "folder"
    watch = Watch(scratch / "folder", scratch / "lure")
    sys.path.append(str(scratch / "lure"))
    os.environ["VLASANDBOX_FRAMES"] = str(folder / "decoded")
    case.setup()
    _fresh(scratch)
    os.chdir(folder)
    expected = case.read(folder)
    os.dup2(quiet, 2)
    for number in range(first, end):
        os.chdir(scratch)
        _fresh(scratch)
        os.chdir(folder)
        damage = case.spoil(folder, np.random.default_rng([seed, number]))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = _judge(case, folder, expected, damage, watch)
        os.write(says, json.dumps(found).encode() + b"\n")
    return 0


def _fresh(scratch: Path) -> None:
    shutil.rmtree(scratch / "folder", ignore_errors=True)
    shutil.copytree(scratch / "pristine", scratch / "folder", symlinks=True)


def _judge(case: FuzzCase, folder: Path, expected: Any, damage: Damage, watch: Watch) -> dict[str, str]:
    watch.notes, watch.on = [], True
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    noticed = True
    try:
        if case.checked:
            noticed = not all(finding.whole for finding in check_folder(folder))
        with _clean():
            content = case.read(folder)
    except (AgainError, AcceptedError, SystemExit):
        verdict, note = "clear", ""
    except BaseException as error:
        message = mistake_message(error)
        note = message or traceback.format_exc()[-1500:]
        helps = not damage.told or any(word in note.lower() for word in WAYS_BACK)
        verdict = "traceback" if message is None else "clear" if helps else "no way back"
        if verdict == "clear" and damage.told and "\n" in note.strip():
            verdict = "no way back"
    else:
        note = ""
        verdict = "equal" if content == expected else "other" if damage.told else "edited"
    finally:
        watch.on = False
    if verdict == "clear" and damage.told and not noticed:
        verdict = "unnoticed"
    if watch.notes:
        verdict, note = "outside", str(watch.notes[:3])
    if (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 > MEMORY:
        verdict, note = "hang", "takes more than a gigabyte"
    return {"verdict": verdict, "note": f"{damage.text}: {note}"}


@contextlib.contextmanager
def _clean() -> Iterator[None]:
    """Leaves the working folder and the environment as they were."""
    folder, environment = os.getcwd(), dict(os.environ)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
