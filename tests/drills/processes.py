"""Processes of a drill: forked instead of started anew, so that what they import is imported once.

Every import of torch and mujoco costs seconds, and a drill starts thousands of processes. A forked one
differs from a started one in what it inherits: its parent's locks, which are closed here, and modules.
"""

import contextlib
import ctypes
import gc
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HIDDEN_STATUS = 97
"""Exit status of a process whose body raised."""


MODULES: set[Path] = set()
"""Where processes note what they have imported, for `import_noted`."""
KEPT: set[int] = set()
"""Files that all forked processes keep open."""


def close_inherited() -> None:
    """Closes what a started process would not have inherited and what, held by two, would stay held or open
    after the first is gone: locks, and the pipes by which multiprocessing's children see their parent end."""
    for child in multiprocessing.active_children():
        for descriptor in child._popen.finalizer._args:  # pyright: ignore[reportAttributeAccessIssue]
            _close(descriptor)
    for entry in Path("/proc/self/fd").iterdir():
        try:
            is_lock = os.readlink(entry).endswith("/lock")
        except OSError:
            continue
        if is_lock:
            _close(int(entry.name))


def _close(descriptor: Any) -> None:
    try:
        os.close(descriptor)
    except (OSError, TypeError):
        pass


def close_all_but_kept() -> None:
    """Closes what a process that `subprocess` starts does not inherit."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) > 2 and int(entry.name) not in KEPT:
            _close(int(entry.name))


def fork(body: Callable[[], int | None]) -> int:
    """Id of a process that runs `body`, ends with the status that it returns, and never comes back here."""
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()  # a collection would copy all of what is shared
    child = os.fork()
    if child:
        return child
    status: int | None = HIDDEN_STATUS
    try:
        status = body()
    except BaseException:
        traceback.print_exc()
    finally:
        note_modules()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status or 0)


def note_modules() -> None:
    """Adds the names of all that was imported to the MODULES."""
    for path in MODULES:
        with path.open("a") as file:
            file.write("".join(f"{name}\n" for name in list(sys.modules)))


def import_noted(path: Path) -> None:
    """Imports here what other processes have imported, so that those forked from now on have it already."""
    for name in sorted(set(path.read_text().split()) - sys.modules.keys()):
        if "__main__" not in name:
            with contextlib.suppress(Exception):  # parts that are made while a program runs
                importlib.import_module(name)


def descendants(process: int) -> Iterator[int]:
    """Ids of the processes that a process has started, and those that they have."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        threads = [entry.name for entry in Path(f"/proc/{process}/task").iterdir()]
    except OSError:
        return
    for thread in threads:
        if int(thread) != process:
            try:
                children += Path(f"/proc/{process}/task/{thread}/children").read_text().split()
            except OSError:
                pass
    for child in map(int, children):
        yield child
        yield from descendants(child)


def kill_tree(process: int) -> None:
    """Kills a process and all below it at once, as the end of a container does."""
    for one in [process, *descendants(process)]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            pass


def adopt_orphans() -> None:
    """Makes this process the parent of those below it whose parent is gone, so that it can wait for them."""
    subreaper = 36
    ctypes.CDLL(None).prctl(subreaper, 1, 0, 0, 0)


def reap() -> list[int]:
    """Ids of the children that are left, after those that have ended were waited for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return []
    return list(descendants(os.getpid()))


class ForkedProgram:
    """Stands in for `subprocess.Popen` of our own Python with `-c CODE` or `-m MODULE`, in whose place it
    forks."""

    def __init__(
        self,
        args: list[str],
        stdin: Any = None,
        stdout: Any = None,
        text: bool = False,
        env: dict[str, str] | None = None,
        start_new_session: bool = False,
        **others: Any,
    ) -> None:
        assert args[0] == sys.executable, args
        assert not others, others
        theirs_in, mine_in = os.pipe() if stdin == subprocess.PIPE else (stdin, None)
        mine_out, theirs_out = os.pipe() if stdout == subprocess.PIPE else (None, stdout)

        def body() -> int:
            if start_new_session:
                os.setsid()
            for end, place in ((theirs_in, 0), (theirs_out, 1)):
                if end is not None:
                    os.dup2(end if isinstance(end, int) else end.fileno(), place)
            close_all_but_kept()
            sys.stdin = os.fdopen(0, "r", closefd=False)
            if theirs_out is not None:
                sys.stdout = os.fdopen(1, "w", closefd=False)
            os.environ.update(env or {})
            kind, name = args[-2:]
            if kind == "-c":
                exec(name, {"__name__": "__main__"})
            else:
                importlib.import_module(name).main()
            return 0

        self.args = args
        self.returncode: int | None = None
        self.pid = fork(body)
        for end in (theirs_in, theirs_out):
            if isinstance(end, int) and end not in (stdin, stdout):
                os.close(end)
        mode = "" if text else "b"
        self.stdin = None if mine_in is None else os.fdopen(mine_in, f"w{mode}")
        self.stdout = None if mine_out is None else os.fdopen(mine_out, f"r{mode}")
        self.stderr = None

    def poll(self) -> int | None:
        """Status if it has ended."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Status when it has ended."""
        import time

        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(0.002)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it, if it still runs."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)
