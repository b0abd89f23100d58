"""Several simulation processes at once, each with a thread of this process, and their common end."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from .process import StoppedError, WorkerProcess


def usable_cores() -> int:
    """Cores that this process may use: in a container or under taskset fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_processes(
    service: str, settings: dict[str, Any], count: int
) -> Iterator[tuple[list[WorkerProcess], Any]]:
    """`count` processes with the same service, and what the first said when it was ready; ends them, however
    the block ends."""
    processes: list[WorkerProcess] = []
    try:
        for _ in range(count):
            processes.append(WorkerProcess(service, settings))
        first, *_ = [process.ready() for process in processes]
        yield processes, first
    finally:
        _stop(processes)
        for process in processes:
            process.close()


def in_threads(bodies: Sequence[Callable[[], object]], processes: list[WorkerProcess]) -> None:
    """Runs all bodies at once. If one fails, or Ctrl-C comes, stops the processes, and so the others."""
    over = False
    with ThreadPoolExecutor(len(bodies)) as threads:
        # Ctrl-C may come while a thread is being started; the pool's own exit would then wait for ever.
        try:
            futures = [threads.submit(body) for body in bodies]
            wait(futures, return_when=FIRST_EXCEPTION)
            over = all(future.done() for future in futures)
        finally:
            if not over:
                _stop(processes)
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, StoppedError)):
        raise error


def _stop(processes: Sequence[WorkerProcess]) -> None:
    """Stops all of them at once: a busy one takes its time."""
    stoppers = [threading.Thread(target=process.stop) for process in processes]
    for thread in stoppers:
        thread.start()
    for thread in stoppers:
        thread.join()
