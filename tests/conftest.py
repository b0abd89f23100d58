"""Applies to every test."""

import os
import shutil
import signal
import tempfile

# A shell starts a job in the background with Ctrl-C ignored, and all processes below it inherit that; the
# tests of Ctrl-C would then send signals that nobody hears.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Decoded frames go to a folder of their own, not to the user's."""
    os.environ["VLASANDBOX_FRAMES"] = tempfile.mkdtemp(prefix="vlasandbox-frames-")


def pytest_unconfigure() -> None:
    """Removes them."""
    shutil.rmtree(os.environ["VLASANDBOX_FRAMES"], ignore_errors=True)
