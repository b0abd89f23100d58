"""Recognition of users' mistakes, which are told in one message with exit status 2 and without a
traceback."""

import dis
import errno
from types import TracebackType

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

_FULL = {errno.ENOSPC, errno.EDQUOT}
_ENVIRONMENT = _FULL | {
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}


def mistake_message(error: BaseException) -> str | None:
    """One message for what the user can mend; None for a bug, whose traceback must be seen."""
    if isinstance(error, OSError):
        if error.errno in _FULL:
            where = f" while writing {error.filename}" if error.filename else ""
            return (
                f"no space left on the disk{where}. Free some and run the same command again: it continues."
            )
        if error.errno in _ENVIRONMENT or (error.errno is None and _raised_by_us(error.__traceback__)):
            return str(error)
        return None
    if type(error).__module__.startswith("vlasandbox."):
        return str(error)
    # ImportError: no GL library; FloatingPointError: a loss that is not finite.
    if isinstance(error, ValueError | FloatingPointError | ImportError) and _raised_by_us(
        error.__traceback__
    ):
        return str(error)
    return None


def _raised_by_us(traceback: TracebackType | None) -> bool:
    """Whether a `raise` statement of this package raised it.

    numpy raises ValueError too, for our mistakes. A C function has no frame of its own, so the innermost
    frame may be ours all the same; only the instruction that it stopped at tells the two apart.
    """
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    instruction = traceback.tb_frame.f_code.co_code[traceback.tb_lasti]
    return module.startswith("vlasandbox.") and instruction == dis.opmap["RAISE_VARARGS"]
