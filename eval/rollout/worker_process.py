"""One environment process of an evaluation, seen from the process that holds the policy (see worker.py)."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from jaxtyping import Float32

from .worker import ONE_THREAD, Job, LaneUpdate, PolicyFailure, Ready, WorkerFailure

GRACE = 3.0
"""Time that a process gets to free its OpenGL context before it is killed [s]."""
TRIES = 3
"""Times that an episode is played whose process dies, before it counts as missing."""
FUTILE = 4
"""Episodes in a row that may be missing before it is the machine that plays none."""
COMMAND = "from vlasandbox.eval.rollout.worker import main; main()"


class EvaluationError(RuntimeError):
    """The evaluation cannot go on, through no fault of the policy."""


class StoppedError(Exception):
    """The player was told to stop while somebody waited for it."""


class WorkerProcess:
    """A process that plays the episodes of a job.

    If it dies, that is an error of the machine and no result: a new process plays the same episodes again. If
    that one dies too, each of them is played alone, so that one that kills its process does not take others
    with it; it is missing in the end. All of it ends with this process, however that ends.
    """

    def __init__(self, job: Job) -> None:
        """Starts the process and does not wait for it."""
        self._stopped = False
        self._starting = threading.Lock()
        """Held while the process is exchanged: `stop` must not end the old one when there is a new one."""
        self._futile = 0
        """Episodes in a row that are missing."""
        self._tries: Counter[int] = Counter()
        """How often a process died that was playing this seed."""
        self._later: deque[dict[int, list[int]]] = deque()
        """What the next processes will play."""
        self.missing: dict[int, str] = {}
        """Seeds of the episodes that could not be played, and how their process died."""
        self._start(job)

    def _start(self, job: Job) -> None:
        self._job = job
        self._queues = {lane: deque(seeds) for lane, seeds in job.lanes.items()}
        """Seeds of the episodes that are not finished; the first of each is being played."""
        with self._starting:
            if self._stopped:
                raise StoppedError
            self._socket, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", COMMAND],
                    stdin=theirs.fileno(),
                    env=os.environ | ONE_THREAD,
                    # Ctrl-C reaches our process alone, which then ends this one.
                    start_new_session=True,
                )
        self._connection = Connection(os.dup(self._socket.fileno()))
        self._send(job)

    @property
    def complete(self) -> bool:
        """Whether every episode was reported, or is missing."""
        return not any(self._queues.values()) and not self._later

    def specification(self) -> dict[str, Any]:
        """The first thing that the process says: what `ManipulationEnv.spec_dict` does.

        Raises:
            ValueError: the environment cannot be made as asked for.
            EvaluationError: it cannot be made at all.
        """
        try:
            message = self._connection.recv()
        except (EOFError, ConnectionError):
            if self._stopped:
                raise StoppedError from None
            raise EvaluationError(
                f"an environment process {self._how_it_died()} while starting; `vla doctor` says why"
            ) from None
        if isinstance(message, WorkerFailure):
            if message.mistake:
                raise ValueError(message.message)
            raise EvaluationError(f"the environment cannot be made: {message.message}")
        assert isinstance(message, Ready), f"expected Ready, got {message!r}"
        return message.spec

    def send(self, blocks: Mapping[int, Float32[np.ndarray, "m a"] | PolicyFailure]) -> None:
        """Gives lanes that wait their actions, or the reason why there are none."""
        self._send(blocks)

    def receive(self) -> dict[int, LaneUpdate]:
        """Waits for what happened next, in some lanes.

        Raises:
            StoppedError: `stop` was called.
            EvaluationError: one process after the other dies.
        """
        try:
            updates = self._connection.recv()
        except (EOFError, ConnectionError):
            if self._stopped:
                raise StoppedError from None
            return self._take_over()
        for lane, update in updates.items():
            for episode in update.finished:
                seed = self._queues[lane].popleft()
                assert seed == episode.seed, f"lane {lane} played {episode.seed} instead of {seed}"
                self._futile = 0
        return self._go_on(updates)

    def stop(self) -> None:
        """Ends the process, even while another thread waits in `receive`; kills a busy one after GRACE."""
        with self._starting:
            self._stopped = True
        self._end()

    def _end(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # unlike closing, wakes a thread that reads
        except OSError:
            pass  # the process has ended by itself
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Frees the connection, after `stop` and when nobody waits any more."""
        self._connection.close()
        self._socket.close()

    def _take_over(self) -> dict[int, LaneUpdate]:
        """The first updates of a process that plays what the dead one was playing, and the rest."""
        how = self._how_it_died()
        rest = {lane: list(seeds) for lane, seeds in self._queues.items() if seeds}
        playing = {lane: seeds[0] for lane, seeds in rest.items()}
        self._tries.update(playing.values())
        often = max(self._tries[seed] for seed in playing.values())
        if len(playing) > 1 and often > 1:
            self._later.extendleft([{lane: seeds[1:] for lane, seeds in rest.items() if seeds[1:]}])
            self._later.extendleft({lane: [seed]} for lane, seed in playing.items())
        elif often >= TRIES:
            ((lane, seed),) = playing.items()
            self.missing[seed] = how
            self._futile += 1
            if self._futile > FUTILE:
                raise EvaluationError(
                    f"environment processes die without finishing an episode; the last one {how}"
                )
            self._later.appendleft({lane: rest[lane][1:]})
        else:
            self._later.appendleft(rest)
        self._queues = {}
        return self._go_on({})

    def _go_on(self, updates: dict[int, LaneUpdate]) -> dict[int, LaneUpdate]:
        """`updates`; if its process has nothing left to play, the first ones of the next process too."""
        if any(self._queues.values()):
            return updates
        while self._later and not any(self._later[0].values()):
            self._later.popleft()
        if not self._later:
            return updates
        self._end()
        self.close()
        self._start(replace(self._job, lanes=self._later.popleft()))
        self.specification()
        for lane, update in self.receive().items():
            finished = updates[lane].finished if lane in updates else []
            updates[lane] = LaneUpdate(finished + update.finished, update.observation)
        return updates

    def _how_it_died(self) -> str:
        status = self._process.wait()
        if status >= 0:
            return f"ended with status {status}"
        return f"was killed by {signal.Signals(-status).name} (out of memory, or a fault in native code?)"

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except ConnectionError:
            pass  # the process is gone; what it said before, or the end of the stream, waits to be received
