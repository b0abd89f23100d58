"""Ctrl-C and SIGTERM as a request that the loop answers between two updates, never in the middle of one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_request() -> Iterator[threading.Event]:
    """An event that the first signal sets; a second Ctrl-C interrupts at once.

    A signal that the process ignores stays ignored. Python handles signals in the main thread only; in
    any other thread the event is never set.
    """
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return

    def note(number: int, frame: FrameType | None) -> None:
        # Only a person repeats Ctrl-C for lack of patience; SIGTERM may come twice from two supervisors.
        if requested.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt("stopped at once; the run continues from its last checkpoint")
        requested.set()

    signals = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in signals}
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
