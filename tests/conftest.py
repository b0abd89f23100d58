"""Applies to every test."""

import signal

# A shell starts a job in the background with Ctrl-C ignored, and all processes below it inherit that; the
# tests of Ctrl-C would then send signals that nobody hears.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
