"""JSON files that are whole or absent, and one writer at a time per folder."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...common.files import write_whole

POINTER = b"version https://git-lfs.github.com/spec/"


class DatasetError(ValueError):
    """A dataset that cannot be read or written; the message is one sentence that names the path."""


def check_pointer(path: Path) -> None:
    """Refuses what Git leaves in the place of a large file that it did not fetch.

    Raises:
        DatasetError: says how to get the file.
    """
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise DatasetError(
                f"{path} is not the file itself, but Git LFS's pointer to it; get it by `git lfs pull`, or "
                "the whole dataset by `hf download --repo-type dataset NAME --local-dir FOLDER`"
            )


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    write_whole(path, json.dumps(value, indent=4) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        DatasetError: the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: it is not JSON ({error})") from None


@contextmanager
def exclusive(folder: Path, *, wait: bool) -> Iterator[None]:
    """Holds `folder` for this process; the system lets go of it however the process ends.

    Args:
        wait: whether to wait for another process that holds the folder.

    Raises:
        DatasetError: another process holds it and `wait` is False.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.name != "posix":
        yield
        return
    import fcntl  # not on Windows, where two processes are left to the user's care

    try:
        # Not through a link, which in a folder from elsewhere may lead to any file.
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DatasetError(f"{folder / 'lock'} is a link: delete it") from None
        raise
    with open(descriptor, "w", closefd=True) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise DatasetError(f"{folder.parent} is being written by another process") from None
        yield
