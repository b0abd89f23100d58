"""JSON files that are whole or absent, and one writer at a time per folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...common.errors import VlaError
from ...common.files import make_folder, read_sealed, sealed, write_whole

POINTER = b"version https://git-lfs.github.com/spec/"


AGAIN = "copy the dataset again from where it is whole, or record it again into a new folder"


class DatasetError(VlaError, ValueError):
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


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """`write_json` of a file of ours alone, with a checksum of its content that `read_json` verifies."""
    write_json(path, sealed(json.loads(json.dumps(value))))  # as it is read back: keys are strings


def read_json(path: Path, again: str = "copy it again from where it is whole") -> Any:
    """The JSON value in `path`, without the checksum that it may have.

    Args:
        again: the way back from damage, for the message.

    Raises:
        DatasetError: the file is not JSON, or not what was written.
    """
    try:
        return read_sealed(path)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({error}): {again}") from None


def read_object(path: Path, again: str = "copy it again from where it is whole") -> dict[str, Any]:
    """`read_json` of a file that holds an object.

    Raises:
        DatasetError: it holds something else, is not JSON, or not what was written.
    """
    value = read_json(path, again)
    if not isinstance(value, dict):
        raise DatasetError(f"{path} is damaged (it holds no object): {again}")
    return value


@contextmanager
def exclusive(folder: Path, *, wait: bool) -> Iterator[None]:
    """Holds `folder` for this process; the system lets go of it however the process ends.

    Args:
        wait: whether to wait for another process that holds the folder.

    Raises:
        DatasetError: another process holds it and `wait` is False.
    """
    from filelock import FileLock, Timeout  # imports asyncio, which simulation processes do without

    make_folder(folder)
    path = folder / "lock"
    if path.is_symlink():  # which in a folder from elsewhere may lead to any file
        raise DatasetError(f"{path} is a link: delete it")
    try:
        lock = FileLock(path, timeout=-1 if wait else 0).acquire(poll_interval=0.1)
    except Timeout:
        raise DatasetError(f"{folder.parent} is being written by another process") from None
    with lock:
        yield
