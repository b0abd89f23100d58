"""Descriptions of exceptions, and whether the machine is at fault. Needs the standard library alone."""

import errno
import os
import traceback

_MACHINE = {errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO}


def is_of_the_machine(error: Exception) -> bool:
    """Whether an exception says that memory, disk or handles ran out, which is no fault of task or policy."""
    if isinstance(error, OSError):
        return error.errno in _MACHINE
    short = "out of memory" in str(error).lower() or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and short)


def traceback_of(error: Exception) -> str:
    """All of an exception's traceback, with what caused it."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def describe(error: Exception) -> str:
    """One line: the exception and where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join("".join(traceback.format_exception_only(type(error), error)).split())
    return f"{text} ({os.path.basename(place.filename)}:{place.lineno})"
