"""Channel: messages between a simulation process and the one that started it.

A message is a JSON value with numpy arrays in it: 8 bytes with the length of the header (big-endian), the
header, and the bytes of the arrays one after the other. The header is JSON, in which
{"__array__": [dtype, shape]} stands for the next of the arrays (C order).

This file, `faults.py` and `worker.py` run on Python 3.8 and later with numpy alone, so that simulators under
other interpreters can use them.
"""

from __future__ import annotations

import json
import math
import socket
from typing import Any

import numpy as np

ARRAY = "__array__"


class Channel:
    """One end of a connection. One thread sends or receives at a time; any thread may `shutdown`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._input = connection.makefile("rb")

    def send(self, message: Any) -> None:
        """Sends a JSON value in which numpy arrays and numbers may occur; tuples arrive as lists.

        Raises:
            TypeError: the message holds something else.
            ConnectionError: the other end is gone.
        """
        arrays: list[np.ndarray] = []

        def packed(value: Any) -> Any:
            if isinstance(value, np.generic):
                return value.item()
            if not isinstance(value, np.ndarray) or value.dtype.hasobject:
                raise TypeError(f"a message cannot hold {type(value).__name__}")
            arrays.append(value)
            return {ARRAY: [value.dtype.str, value.shape]}

        header = json.dumps(message, default=packed).encode()
        parts = [len(header).to_bytes(8, "big"), header, *(array.tobytes() for array in arrays)]
        self._socket.sendall(b"".join(parts))

    def receive(self) -> Any:
        """Waits for the next message.

        Raises:
            EOFError, ConnectionError: the other end is gone.
        """
        header = self._read(int.from_bytes(self._read(8), "big"))
        # Arrays hold no other objects, so they are met in the order in which they were sent.
        return json.loads(header, object_hook=self._unpacked)

    def shutdown(self) -> None:
        """Ends the conversation for both ends; unlike `close`, it wakes a thread that receives."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other end was quicker

    def close(self) -> None:
        """Frees the connection, when nobody sends or receives any more."""
        self._input.close()
        self._socket.close()

    def _unpacked(self, value: dict[str, Any]) -> Any:
        if value.keys() != {ARRAY}:
            return value
        dtype, shape = np.dtype(value[ARRAY][0]), value[ARRAY][1]
        return np.ndarray(shape, dtype, self._read(math.prod(shape) * dtype.itemsize))

    def _read(self, count: int) -> bytearray:
        found = bytearray(count)  # arrays in it can be written to
        if self._input.readinto(found) < count:
            raise EOFError
        return found
