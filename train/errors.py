"""Recognition of users' mistakes, which are told in one message with exit status 2 and without a
traceback."""

import errno

from ..common.errors import VlaError

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
        if error.errno in _ENVIRONMENT:
            return str(error)
    return str(error) if isinstance(error, VlaError) else None
