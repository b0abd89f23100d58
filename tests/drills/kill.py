"""Kills programs at any moment, lets them go on, and compares what comes of it with what a quiet run leaves.

A program is killed before one of its file-system events, or after some time; alone, or with all processes
that it has started. It may be killed again while it goes on. In the end it runs to its end.
"""

import importlib
import mmap
import os
import pkgutil
import select
import shutil
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlasandbox.train.errors import mistake_message

from .processes import (
    HIDDEN_STATUS,
    KEPT,
    MODULES,
    adopt_orphans,
    close_inherited,
    fork,
    import_noted,
    kill_tree,
    note_modules,
    reap,
)

FINISHED, MISTAKE = 0, 3
"""Statuses of a program that came to its end, and of one that gave up with a message."""
PATIENCE = 120.0
"""Time after which a program hangs [s]."""
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
"""Audit events that change a folder, beside `open` for writing."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class KillCase:
    """A program that can be killed."""

    run: Callable[[Path, Say], None]
    """Does its work in a folder, going on from what is there, and says what is done."""
    holds: Callable[[Path], set[str]]
    """What of all that can be said is there, right after a kill."""
    outcome: Callable[[Path], dict[str, Any]]
    """What must be the same in the end, by name."""
    kills: int
    """Of the whole drill."""
    prepare: Callable[[Path], None] = lambda folder: None
    """Fills the folder beforehand."""


@dataclass
class Tally:
    """What came of the kills of one program."""

    kills: int = 0
    folders: int = 0
    lost: int = 0
    """Things that were said to be done and were not there after a kill."""
    unequal: int = 0
    """Folders in which something else came of it than without kills."""
    tracebacks: int = 0
    hangs: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """All that should be 0."""
        return self.lost + self.unequal + self.tracebacks + self.hangs


def cases() -> dict[str, KillCase]:
    """All programs, by name: a file each in kill_cases."""
    from . import kill_cases

    names = sorted(module.name for module in pkgutil.iter_modules(kill_cases.__path__))
    return {
        name: importlib.import_module(f"{kill_cases.__name__}.{name}").CASE
        for name in names
        if not name.startswith("_")
    }


class Events:
    """Counts file-system events below a folder, in this process and those forked from it."""

    def __init__(self, root: Path, deadly: int | None) -> None:
        """The process that comes to event number `deadly` is killed just before it."""
        self._root, self._deadly = str(root), deadly
        self._shared = mmap.mmap(-1, 8)

    @property
    def count(self) -> int:
        """So far."""
        return struct.unpack_from("q", self._shared)[0]

    @property
    def killed(self) -> bool:
        """Whether the deadly event came."""
        return self._deadly is not None and self.count >= self._deadly

    def follow(self) -> None:
        """Begins to count, until the end of the process."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            self._note(os.readlink(f"/proc/self/fd/{descriptor}"))
            real(descriptor)

        os.fsync = fsync
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = mode is not None and set(str(mode)) & set("wax+")
            if writes or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                self._note(path)
        elif event in CHANGES:
            self._note(args[0])

    def _note(self, path: Any) -> None:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path).startswith(self._root):
            return
        number = self.count + 1
        struct.pack_into("q", self._shared, 0, number)
        if number == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Attempt:
    """One start of a program."""

    status: int
    """As of `os.waitstatus_to_exitcode`."""
    said: set[str]
    killed: bool
    """Whether it, or a process of it, was killed."""
    seconds: float
    events: int
    complaint: str
    """What it wrote to standard error, if it raised."""


def attempt(
    case: KillCase, folder: Path, *, event: int | None = None, after: float | None = None, tree: bool = False
) -> Attempt:
    """Starts the program, and kills a process of it at an `event`, or all of it `after` some seconds.

    Args:
        tree: whether the processes that it started die with it.
    """
    events = Events(folder, event)
    hears, says = os.pipe()
    log = folder.with_name(folder.name + ".log")

    def say(text: str) -> None:
        os.write(says, f"{text}\n".encode())
        note_modules()

    def body() -> int:
        os.setsid()
        os.close(hears)
        KEPT.add(says)
        os.register_at_fork(after_in_child=close_inherited)
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        events.follow()
        os.environ["VLASANDBOX_FRAMES"] = str(folder / "frames")
        try:
            case.run(folder, say)
        except Exception as error:
            if mistake_message(error) is None:
                raise
            print(error, file=sys.stderr)
            return MISTAKE
        return FINISHED

    begun = time.monotonic()
    child = fork(body)
    os.close(says)
    heard, until, killed, status = b"", begun + PATIENCE, False, None
    while status is None:
        now = time.monotonic()
        if after is not None and now >= begun + after and not killed:
            killed = True
            kill_tree(child) if tree else os.kill(child, signal.SIGKILL)
        if now > until:
            kill_tree(child)
        if select.select([hears], [], [], 0.005)[0]:
            heard += os.read(hears, 65536)
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
    seconds = time.monotonic() - begun
    if events.killed and tree:
        for orphan in reap():
            kill_tree(orphan)
    os.set_blocking(hears, False)
    try:
        while more := os.read(hears, 65536):
            heard += more
    except BlockingIOError:
        pass  # an orphan may still hold the other end
    os.close(hears)
    said = set(heard.decode().split("\n")[:-1])
    killed = events.killed or (killed and status == -signal.SIGKILL)
    return Attempt(status, said, killed, seconds, events.count, log.read_text(errors="replace"))


def drill(name: str, case: KillCase, scratch: Path, kills: int, seed: int = 0) -> Tally:
    """Kills the program so many times."""
    adopt_orphans()
    rng, tally = np.random.default_rng(seed), Tally()
    pristine = scratch / "pristine"
    pristine.mkdir(parents=True)
    case.prepare(pristine)
    quiet = scratch / "folder"  # all folders have the same path: it is in some results
    shutil.copytree(pristine, quiet, symlinks=True)
    MODULES.add(scratch / "modules")
    straight = attempt(case, quiet)
    MODULES.clear()
    if straight.status != FINISHED:
        raise RuntimeError(f"{name} does not run at all:\n{straight.complaint}")
    import_noted(scratch / "modules")
    expected = case.outcome(quiet)
    while tally.kills < kills:
        shutil.rmtree(quiet)
        shutil.copytree(pristine, quiet, symlinks=True)
        tally.folders += 1
        said: set[str] = set()
        for _ in range(1 + rng.geometric(0.15)):
            tree, share = bool(rng.random() < 0.5), rng.random() ** 1.5  # less is left each time
            if rng.random() < 0.6:
                one = attempt(case, quiet, event=1 + int(share * straight.events), tree=tree)
            else:
                one = attempt(case, quiet, after=share * straight.seconds, tree=tree)
            said |= one.said
            tally.kills += one.killed
            _judge(tally, name, case, quiet, one, said)
            if not one.killed or tally.kills >= kills:
                break
        _finish(tally, name, case, quiet, said)
        for orphan in reap():
            kill_tree(orphan)
        found = case.outcome(quiet)
        if found != expected:
            tally.unequal += 1
            apart = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
            tally.notes.append(f"{name}: folder {tally.folders}: other {sorted(apart)[:5]}")
    return tally


def _judge(tally: Tally, name: str, case: KillCase, folder: Path, one: Attempt, said: set[str]) -> None:
    if one.seconds > PATIENCE:
        tally.hangs += 1
        tally.notes.append(f"{name}: folder {tally.folders}: hangs")
    elif one.status == HIDDEN_STATUS:
        tally.tracebacks += 1
        tally.notes.append(f"{name}: folder {tally.folders}: {one.complaint[-1500:]}")
    if missing := said - case.holds(folder):
        tally.lost += len(missing)
        tally.notes.append(f"{name}: folder {tally.folders}: lost {sorted(missing)}")


def _finish(tally: Tally, name: str, case: KillCase, folder: Path, said: set[str]) -> None:
    """Lets it run to its end; an orphan of a killed one may hold the folder for a second."""
    for number in range(4):
        one = attempt(case, folder)
        said |= one.said
        _judge(tally, name, case, folder, one, said)
        if one.status == FINISHED:
            return
        if one.status != MISTAKE or number == 3:
            tally.notes.append(f"{name}: folder {tally.folders}: does not finish: {one.complaint[-500:]}")
            break
        time.sleep(1.0)
    tally.unequal += 1


def total(tallies: dict[str, Tally]) -> Counter[str]:
    """Sums over all programs."""
    found: Counter[str] = Counter()
    for tally in tallies.values():
        for key in ("kills", "folders", "lost", "unequal", "tracebacks", "hangs"):
            found[key] += getattr(tally, key)
    return found
