"""Simulation process of a live page: carries out what is said over its standard input, a socket.

(number, method, arguments) calls a method of `Scene` and is answered (number, result); number None is not
answered and may come at any time, also in the middle of a step. Pictures are sent in between as (None,
Frame).
"""

import os
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from ...envs.simulation.faults import describe
from ...envs.simulation.worker import end_with_parent
from .messages import SceneError
from .scene import Scene


class Server:
    """Reads calls and carries them out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scene = Scene(lambda frame: connection.send((None, frame)), self._listen)

    def serve(self) -> None:
        """Until the other end is closed.

        Raises:
            EOFError, ConnectionError: it is.
        """
        try:
            while True:
                number, method, arguments = self._connection.recv()
                result = self._call(method, arguments)
                if number is not None:
                    self._connection.send((number, result))
        finally:
            self._scene.close()

    def _listen(self, seconds: float) -> None:
        """Carries out what comes within `seconds` and needs no answer; returns after one of them."""
        if self._connection.poll(seconds):
            number, method, arguments = self._connection.recv()
            assert number is None, f"{method} was called in the middle of a step"
            self._call(method, arguments)

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        try:
            return getattr(self._scene, method)(*arguments)
        except ValueError as error:  # SceneError too: the person's mistake
            return SceneError(str(error))
        except (EOFError, ConnectionError):
            raise
        except Exception as error:
            return SceneError(describe(error))


def main() -> None:
    """Body of the process."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    connection = Connection(os.dup(0))
    sys.path[:] = connection.recv()
    try:
        Server(connection).serve()
    except (EOFError, ConnectionError):
        pass
