"""Body of a simulation process: makes one service and answers its requests until the other end is closed.

Started by `process.py` as a program of its own, not through multiprocessing, which would import the caller's
main module into every worker, and with it torch. Its standard input is a socket with messages of
`protocol.py`. The first is {"path": sys.path or None, "service": "module:name", "settings": ...}: the service
is `name(settings)`. Its attribute `ready` is the first answer. From then on every request is answered by
`service(request)`: as {"reply": ...}, or as {"failure": ...}, which is the last answer. When the process that
started this one is gone, this one ends at once.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import threading
import time
import traceback
from typing import Any

from .faults import describe, traceback_of
from .protocol import Channel


def main() -> None:
    """Serves whoever is at the other end of standard input."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    channel = Channel(socket.socket(fileno=os.dup(0)))
    try:
        _serve(channel)
    except (EOFError, ConnectionError):
        pass  # nobody is left to answer


def _serve(channel: Channel) -> None:
    job = channel.receive()
    if job["path"] is not None:
        sys.path[:] = job["path"]
    module, _, name = job["service"].partition(":")
    try:
        service = getattr(importlib.import_module(module), name)(job["settings"])
    except Exception as error:
        return channel.send({"failure": _failure_to_start(error)})
    try:
        channel.send({"reply": service.ready})
        while True:
            request = channel.receive()
            try:
                reply = service(request)
            except Exception as error:
                return channel.send({"failure": _failure(error)})
            channel.send({"reply": reply})
    finally:
        service.close()


def _failure_to_start(error: Exception) -> dict[str, Any]:
    if isinstance(error, ValueError):
        return {"kind": "mistake", "message": str(error)}
    if isinstance(error, ImportError):  # no rendering, or a module that a task needs
        return {"kind": "missing", "message": str(error)}
    return {"kind": "bug", "message": traceback_of(error)}


def _failure(error: Exception) -> dict[str, Any]:
    """Message to the parent about a request that failed; a bug's traceback goes to standard error."""
    if isinstance(error, ImportError):
        return {"kind": "missing", "message": str(error)}
    if isinstance(error, OSError):  # a full disk, mostly
        return {"kind": "system", "message": error.strerror or str(error)}
    traceback.print_exc()
    return {"kind": "bug", "message": describe(error)}


def end_with_parent(parent: int) -> None:
    """Ends this process when `parent` is gone: it has another one then."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
