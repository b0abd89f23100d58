"""Parallel trainings, each a process with a progress bar; all end when this process does.

On two cores two trainings with one torch thread each do about a third more than one after the other with two.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..common.errors import VlaError
from .errors import mistake_message
from .log import last_row

POLL = 0.3
"""Time between two looks at the trainings [s]."""
GRACE = 60.0
"""Time that an interrupted training gets to write its checkpoint [s]."""


@dataclass(frozen=True)
class Job:
    """One training: `run()` writes `folder / "metrics.jsonl"` and, told to stop by SIGTERM, a checkpoint."""

    name: str
    folder: Path
    updates: int
    run: Callable[[], Any]
    """A function at the top level of a module, or a partial of one: a spawned process imports it by name."""
    gpu: bool = False
    """Whether the job needs a GPU to itself. Processes of one machine share what there is."""


RunJobs = Callable[[Sequence[Job], int], None]
"""Function that runs all jobs, at most so many at a time, like `run_parallel`."""


class TrainingError(VlaError, ValueError):
    """Error of a training; the message is the training's own."""


@dataclass
class _Running:
    job: Job
    process: BaseProcess
    errors: Connection
    bar: tqdm


def run_parallel(jobs: Sequence[Job], at_once: int) -> None:
    """Runs all jobs, `at_once` at a time.

    Interrupted, it lets the running ones write a checkpoint, ends them, and raises KeyboardInterrupt again.

    Raises:
        TrainingError: a training failed; the others have been interrupted, their checkpoints are kept.
    """
    interval = 0.3 if sys.stderr.isatty() else 20.0
    waiting = list(jobs)
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                bar = tqdm(total=job.updates, desc=f"{job.name:<16}", unit="update", mininterval=interval)
                running.append(_start(job, bar))
            time.sleep(POLL)
            for one in list(running):
                _show(one)
                if not one.process.is_alive():
                    running.remove(one)
                    _finish(one)
    finally:
        _stop([one.process for one in running])
        for one in running:
            one.bar.close()


def _start(job: Job, bar: tqdm) -> _Running:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(job, sender), name=job.name)
    # A terminal sends Ctrl-C to the whole group; the child hears of it from us, once, as SIGTERM.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, previous)
    sender.close()
    # The bar's rate counts from here, not from when it was first shown, and not what an earlier run did.
    row = last_row(job.folder / "metrics.jsonl")
    bar.initial = bar.n = bar.last_print_n = int(row["step"] or 0) if row else 0
    bar.unpause()
    return _Running(job, process, receiver, bar)


def _show(one: _Running) -> None:
    row = last_row(one.job.folder / "metrics.jsonl")
    if row is None:
        return
    step = int(row["step"] or 0)
    if step != one.bar.n:
        loss = row.get("loss")
        # A job may go on after its last update, and judge what it trained.
        state = "trained" if step == one.job.updates else "" if loss is None else f"loss {loss:.4f}"
        one.bar.set_postfix_str(state, refresh=False)
        one.bar.update(step - one.bar.n)


def _finish(one: _Running) -> None:
    if one.process.exitcode == 0:
        _show(one)
        one.bar.close()
        return
    try:
        message = one.errors.recv()
    except EOFError:
        message = f"the process died with status {one.process.exitcode} (killed, or out of memory?)"
    one.bar.close()
    raise TrainingError(f"training {one.job.name} stopped: {message}")


def _stop(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _child(job: Job, errors: Connection) -> None:
    """Body of the spawned process."""
    signal.signal(signal.SIGTERM, _interrupt_once)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        job.run()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        errors.send(mistake_message(error) or traceback.format_exc())
        sys.exit(1)


def _interrupt_once(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in a child only"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Context in which `kill PID` does what Ctrl-C does: stop cleanly, keep everything, leave no process
    behind."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
