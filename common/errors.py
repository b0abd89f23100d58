"""VlaError: the root of every error whose message is for the user, who can mend its cause.

The command line prints such an error as one message; any other exception is a bug, and shows its traceback.
Each class also derives from the built-in exception that fits, so a program may catch that one.
"""


class VlaError(Exception):
    """An error whose message explains what is wrong, what is valid, and the way out."""


class InputError(VlaError, ValueError):
    """A value, a name or a combination of settings that cannot be used."""


class AbsentFileError(VlaError, FileNotFoundError):
    """A file or folder that should exist."""


class FileInTheWayError(VlaError, FileExistsError):
    """A file or folder that should not exist."""


class AbsentPackageError(VlaError, ImportError):
    """A package or library that is not installed."""
