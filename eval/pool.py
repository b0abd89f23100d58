"""The environment processes of an evaluation, seen from the process that holds the policy (see worker.py).

Lane l lives in worker l % workers. A worker that dies takes the episodes it was playing with it: they become
errors, and a new process plays the rest. All processes end with the `with` block, and also when this process is
killed, since they end when their connection does.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
from jaxtyping import Float32

from .result import EpisodeResult
from .worker import Broken, Job, Ready, Turn

GRACE = 3.0
"""Time that the processes together get to free their OpenGL contexts before they are killed [s]."""
COMMAND = "from vlasandbox.eval.worker import main; main()"


def usable_cores() -> int:
    """Cores that this process may use: in a container or under taskset fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class EvaluationError(RuntimeError):
    """The evaluation cannot go on, through no fault of the policy."""


class Pool:
    """Workers and their lanes."""

    def __init__(self, job: Job, workers: int) -> None:
        """
        Args:
            job: all lanes; each worker gets its share.
            workers: processes.
        """
        shares: dict[int, dict[int, list[int]]] = {}
        for lane, seeds in job.lanes.items():
            shares.setdefault(lane % workers, {})[lane] = seeds
        self._workers: list[_Worker] = []
        try:
            for lanes in shares.values():
                self._workers.append(_Worker(replace(job, lanes=lanes)))
            self.spec = [worker.specification() for worker in self._workers][0]
            """What `ManipulationEnv.spec_dict` says of the environments."""
        except BaseException:
            self.close()
            raise

    def send(self, blocks: dict[int, Float32[np.ndarray, "m a"]]) -> None:
        """Gives lanes that wait their actions."""
        for worker in self._workers:
            mine = {lane: block for lane, block in blocks.items() if lane in worker.queues}
            if mine:
                worker.send(mine)

    def receive(self) -> dict[int, Turn]:
        """Waits until at least one worker has something to say.

        Raises:
            EvaluationError: a worker died before it had played anything.
        """
        turns: dict[int, Turn] = {}
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection)):
            worker = by_connection[connection]  # pyright: ignore[reportArgumentType]
            try:
                turns |= worker.receive()
            except (EOFError, ConnectionError):
                turns |= self._bury(worker)
        return turns

    def close(self) -> None:
        """Ends all processes; those that are busy for longer than GRACE are killed."""
        for worker in self._workers:
            worker.connection.close()
        deadline = time.monotonic() + GRACE
        for worker in self._workers:
            worker.end(deadline)

    def _bury(self, worker: "_Worker") -> dict[int, Turn]:
        """The dead worker's current episodes as errors; starts another worker for what is left."""
        worker.connection.close()
        worker.end(time.monotonic() + GRACE)
        status = worker.process.returncode
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        message = f"the environment process died ({how}; killed, out of memory, or a fault in native code?)"
        if not worker.has_played:
            raise EvaluationError(f"{message} before its first observation")
        turns = {lane: Turn([_lost(seeds.popleft(), message)]) for lane, seeds in worker.queues.items() if seeds}
        self._workers.remove(worker)
        rest = {lane: list(seeds) for lane, seeds in worker.queues.items() if seeds}
        if rest:
            self._workers.append(_Worker(replace(worker.job, lanes=rest)))
        return turns


@contextmanager
def pool(job: Job, workers: int) -> Iterator[Pool]:
    """A `Pool` that ends with the block, whatever ends it.

    Raises:
        ValueError: the environment cannot be made as asked for.
        EvaluationError: it cannot be made at all.
    """
    made = Pool(job, workers)
    try:
        yield made
    finally:
        made.close()


class _Worker:
    """One process and its share of the lanes."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.queues = {lane: deque(seeds) for lane, seeds in job.lanes.items()}
        """Seeds of the episodes that are not finished; the first of each is being played."""
        self.has_played = False
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND],
            stdin=theirs.fileno(),
            # One thread each, the renderer's (llvmpipe) too: there is a worker per core already.
            env=os.environ | {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            # Ctrl-C reaches this process alone, which then ends the workers.
            start_new_session=True,
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self.send(job)

    def send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except ConnectionError:
            pass  # what it said before, or the end of the stream, is waiting to be received

    def specification(self) -> dict[str, Any]:
        """The first thing that a worker says."""
        try:
            message = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.wait()
            raise EvaluationError(
                f"an environment process ended with status {self.process.returncode} while starting; "
                "`vla doctor` says what is missing"
            ) from None
        if isinstance(message, Broken) and message.mistake:
            raise ValueError(message.message)
        return self._checked(message).spec

    def receive(self) -> dict[int, Turn]:
        message = self._checked(self.connection.recv())
        if isinstance(message, Ready):
            return {}  # it took over from a dead one; the specification is known
        self.has_played = True
        for lane, turn in message.items():
            for episode in turn.finished:
                seed = self.queues[lane].popleft()
                assert seed == episode.seed, f"lane {lane} played {episode.seed} instead of {seed}"
        return message

    @staticmethod
    def _checked(message: Any) -> Any:
        if isinstance(message, Broken):
            raise EvaluationError(f"the environment cannot be made: {message.message}")
        return message

    def end(self, deadline: float) -> None:
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _lost(seed: int, message: str) -> EpisodeResult:
    return EpisodeResult(seed, "error", steps=0, progress=0.0, stage="", instruction="", error=message)
