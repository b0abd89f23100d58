"""WorkerProcess: a simulation process, seen from the one that started it (see worker.py)."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ...common.errors import InputError, VlaError
from .protocol import Channel

GRACE = 3.0
"""Time that a process gets to free its OpenGL context before it is killed [s]."""
TRIES = 3
"""Times that work is given to a process when processes die of it."""
ONE_THREAD = {"LP_NUM_THREADS": "0", "OMP_NUM_THREADS": "1"}
"""Environment variables of every simulation process: there is one per core already. To the software renderer
(llvmpipe) 0 is no thread but the caller's."""
OURS = "from vlasandbox.envs.simulation.worker import main; main()"
OTHERS = (
    f"import sys; sys.path[:] = [{str(Path(__file__).parents[1])!r}, *filter(None, sys.path)]; "
    "from simulation.worker import main; del sys.path[0]; main()"
)
"""Program for an interpreter that need not have this package."""


class SimulationError(VlaError, RuntimeError):
    """A simulation process cannot do its work, through no fault of whoever asked for it."""

    def __init__(self, message: str, kind: str = "bug") -> None:
        super().__init__(message)
        self.kind = kind
        """missing: a module or library; system: an operation of the operating system failed; bug; died."""


class DiedError(SimulationError):
    """The process died; the message says how. `WorkerProcess.restart` gets another one."""


class StoppedError(Exception):
    """The process was told to stop while somebody waited for it."""


class WorkerProcess:
    """A process with one service. It ends with this process, however that ends."""

    def __init__(self, service: str, settings: dict[str, Any], python: str | None = None) -> None:
        """Starts the process and does not wait for it.

        Args:
            service: "module:name" of a callable that takes `settings`, see worker.py.
            settings: JSON values and numpy arrays.
            python: another interpreter to run it, which has numpy and looks for the service in its own path;
                by default the one that runs us, with our path.
        """
        path = [os.path.abspath(entry) if entry == "" else entry for entry in sys.path]
        self._job = {"path": None if python else path, "service": service, "settings": settings}
        self._command = [python, "-c", OTHERS] if python else [sys.executable, "-P", "-c", OURS]
        self._stopped = False
        self._starting = threading.Lock()
        """Held while the process is exchanged: `stop` must not end the old one when there is a new one."""
        self._start()

    def ready(self) -> Any:
        """The service's first answer, when it is ready; to be called once, before the first request.

        Raises:
            ValueError: the service cannot be made as asked for.
            SimulationError: it cannot be made at all.
        """
        try:
            return self.receive()
        except DiedError as error:
            message = f"a simulation process {error} while starting; `vla doctor` says why"
            raise SimulationError(message, error.kind) from None
        except SimulationError as error:
            raise SimulationError(f"the environment cannot be made: {error}", error.kind) from None

    def ask(self, request: Any) -> Any:
        """The service's reply to a request; raises what `receive` raises."""
        self._send(request)
        return self.receive()

    def receive(self) -> Any:
        """Waits for the next reply.

        Raises:
            StoppedError: `stop` was called.
            DiedError: the process died.
            SimulationError: the service raised.
        """
        try:
            message = self._channel.receive()
        except (EOFError, ConnectionError):
            if self._stopped:
                raise StoppedError from None
            raise DiedError(self._how_it_died(), "died") from None
        if failure := message.get("failure"):
            if failure["kind"] == "mistake":
                raise InputError(failure["message"])
            raise SimulationError(failure["message"], failure["kind"])
        return message["reply"]

    def restart(self) -> None:
        """Another process in place of this one, ready for requests; raises what `ready` raises."""
        self._end()
        self.close()
        self._start()
        self.ready()

    def stop(self) -> None:
        """Ends the process, even while another thread waits in `receive`; kills a busy one after GRACE."""
        with self._starting:
            self._stopped = True
        self._end()

    def close(self) -> None:
        """Frees the connection, after `stop` and when nobody waits any more."""
        self._channel.close()

    def _start(self) -> None:
        with self._starting:
            if self._stopped:
                raise StoppedError
            ours, theirs = socket.socketpair()
            self._channel = Channel(ours)
            with theirs:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=theirs.fileno(),
                    env=os.environ | ONE_THREAD,
                    # Ctrl-C reaches our process alone, which then ends this one.
                    start_new_session=True,
                )
        self._send(self._job)

    def _send(self, message: Any) -> None:
        try:
            self._channel.send(message)
        except ConnectionError:
            pass  # the process is gone; what it said before, or the end of the stream, waits to be received

    def _end(self) -> None:
        self._channel.shutdown()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _how_it_died(self) -> str:
        status = self._process.wait()
        if status >= 0:
            return f"ended with status {status}"
        return f"was killed by {signal.Signals(-status).name} (out of memory, or a fault in native code?)"
