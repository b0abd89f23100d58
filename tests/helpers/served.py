"""A policy behind a socket, served from another thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from vlasandbox.policies.policy import Policy
from vlasandbox.policies.remote.server import PolicyServer


@contextmanager
def serving(policy: Policy, name: str, **options: Any) -> Iterator[int]:
    """The port of a server in another thread."""
    server = PolicyServer(policy.eval(), name, **options)
    started, port, loop = threading.Event(), [0], asyncio.new_event_loop()

    def ready(found: int) -> None:
        port[0] = found
        started.set()

    async def serve() -> None:
        with pytest.raises(asyncio.CancelledError):
            await server.serve("127.0.0.1", 0, ready)

    task = loop.create_task(serve())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield port[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)
        assert not thread.is_alive()
