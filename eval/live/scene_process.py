"""SceneProcess: a `Scene` in a process of its own, seen from the session."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from ...common.errors import VlaError
from ...envs.simulation.process import ONE_THREAD
from .messages import Frame, Paths, SceneError

GRACE = 3.0
"""Time to free the OpenGL context before it is killed [s]."""
COMMAND = "from vlasandbox.eval.live.scene_worker import main; main()"


class SceneDiedError(VlaError, RuntimeError):
    """The simulation process is gone."""


class SceneProcess:
    """Calls of a scene's methods. One thread calls and waits; any thread may `tell`."""

    def __init__(self, show: Callable[[Frame | Paths], None]) -> None:
        """Starts the process and does not wait for it.

        Args:
            show: takes its pictures and paths, in the thread that waits for a result.
        """
        self._show = show
        self._number = 0
        self._sending = threading.Lock()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", COMMAND],
                stdin=theirs.fileno(),
                env=os.environ | ONE_THREAD,
                start_new_session=True,  # Ctrl-C reaches our process alone
            )
        self.connection = Connection(ours.detach())
        self._send([os.path.abspath(x) if x == "" else x for x in sys.path])

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def tell(self, method: str, *arguments: Any) -> None:
        """Calls a method whose result nobody waits for."""
        self._send((None, method, arguments))

    def start(self, method: str, *arguments: Any) -> None:
        """Calls a method; `finish` waits for its result."""
        self._number += 1
        self._send((self._number, method, arguments))

    def finish(self) -> Any:
        """Result of the call that was started last; shows the pictures that come before it.

        Raises:
            SceneError: the scene refused it.
            SceneDiedError: the process is gone.
        """
        while True:
            done, result = self.receive()
            if done:
                return result

    def receive(self) -> tuple[bool, Any]:
        """Waits for one message: whether it is the result of the call that was started last, and that result.

        Raises: what `finish` does.
        """
        try:
            number, value = self.connection.recv()
        except (EOFError, OSError):
            raise SceneDiedError(self._how_it_died()) from None
        if number is None:
            self._show(value)
        if number is None or number != self._number:
            return False, None
        if isinstance(value, SceneError):
            raise value
        return True, value

    def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method and waits for its result; raises what `finish` does."""
        self.start(method, *arguments)
        return self.finish()

    def close(self) -> None:
        """Ends the process."""
        self.connection.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: Any) -> None:
        try:
            with self._sending:
                self.connection.send(message)
        except OSError:
            pass  # it is gone: `finish` finds out

    def _how_it_died(self) -> str:
        try:
            status = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status >= 0:
            return f"ended with status {status}"
        return f"was killed by {signal.Signals(-status).name}"
