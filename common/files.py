"""Files and folders that are whole or absent, and durable before anything says that they exist.

A power cut takes whatever was not flushed: the content of a file, and apart from it the entry in its
folder. So everything here is flushed before it is renamed into its place, and the folder after that. Who
writes a list of files (a manifest, the JSON that counts episodes) writes it last, with `write_whole`.
"""

import contextlib
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError

PARTIAL = ".partial"
"""Suffix of what is still being written; the next run removes what a killed process left."""
OLD = ".old"
"""Suffix of a folder that is being replaced, between two renames."""
SEAL = "sha256"
"""Key under which a sealed JSON object holds the checksum of all the rest."""

_HOST = "".join(c for c in socket.gethostname() if c.isalnum() or c == "-") or "host"


@contextmanager
def whole(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, whose folder is made; it takes its place if the block ends without an
    error.

    Args:
        path: of the file to write.
        durable: whether it shall survive a power cut from then on; if not, `flush` it and its folder later.
    """
    make_folder(path.parent)
    partial = _partial(path)
    partial.unlink(missing_ok=True)  # in a folder from elsewhere it may be a link
    try:
        yield partial
        if durable:
            flush(partial)
        partial.replace(path)
        if durable:
            flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, data: str | bytes) -> None:
    """Writes `data` (text as UTF-8) so that it survives a power cut; clears away what a killed process left
    of an earlier attempt."""
    remove_partials(path.parent, path.name)
    with whole(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` to be filled; it takes the place of `path`, durably, if the block ends
    without an error. What was there before is whole in `path` or, between two renames, in `path` + OLD."""
    path = path.absolute()
    make_folder(path.parent)
    restore(path)
    remove_partials(path.parent, path.name)
    partial, old = _partial(path), path.with_name(path.name + OLD)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        flush_tree(partial)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        partial.rename(path)
        flush(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        restore(path)
        raise


def restore(path: Path) -> None:
    """Puts a folder back whose replacement was cut off between the two renames."""
    old = path.with_name(path.name + OLD)
    if old.is_dir() and not path.exists():
        old.rename(path)
        flush(path.parent)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, durably; one that exists is left alone."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def flush(path: Path) -> None:
    """Makes the content of a file, or the entries of a folder, survive a power cut."""
    if path.is_dir() and os.name != "posix":
        return  # other systems cannot open a folder, and write its entries through
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Flushes all files below `folder`, then the folders, itself last."""
    for path in sorted(folder.rglob("*"), key=lambda path: len(path.parts), reverse=True):
        flush(path)
    flush(folder)


def remove_partials(folder: Path, name: str = "") -> None:
    """Removes half-written files of processes that are gone from `folder`, those of the file `name` or of
    all files. Files that another machine is writing are left alone.

    What another machine is writing is left alone.
    """
    for path in folder.glob(f"*{PARTIAL}") if folder.is_dir() else ():
        stem, _, writer = path.name.removesuffix(PARTIAL).rpartition(".")
        host, _, process = writer.rpartition("-")
        if (name and stem != name) or not process.isdigit() or host != _HOST or _alive(int(process)):
            continue
        with contextlib.suppress(OSError):  # another process may be quicker, or own it
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.{_HOST}-{os.getpid()}{PARTIAL}")


def _alive(process: int) -> bool:
    if os.name != "posix":
        return True  # asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def inside(folder: Path, name: Any) -> Path:
    """The path of `name`, which a file gave, below `folder`; links count as what they point to.

    The Hugging Face Hub's cache keeps a snapshot as links to the blobs beside it, which count as inside.

    Raises:
        ValueError: it is no relative path, or leads out of `folder`.
    """
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name:
        raise InputError(f"{name!r} is not the name of a file in {folder}")
    root = folder.resolve()
    path = (root / name).resolve()
    snapshots = [place.parents[1] for place in (root, *root.parents) if place.parent.name == "snapshots"]
    blobs = snapshots[0] / "blobs" if snapshots else root
    lexical = Path(os.path.normpath(root / name))
    if (
        path == root
        or not lexical.is_relative_to(root)
        or not (path.is_relative_to(root) or path.parent == blobs)
    ):
        raise InputError(f"{name!r} leads out of {folder}")
    return folder / name


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """`digest` of the files `names` in `folder` (all below it by default), by name."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: digest(folder / name) for name in sorted(found if names is None else names)}


def check_digests(folder: Path, listed: Any) -> None:
    """Compares files in `folder` with the `digests` taken when they were written.

    Raises:
        ValueError: one of them is missing or has another content; names it.
    """
    if not isinstance(listed, dict):
        raise InputError(f"{folder}: the list of checksums is not one")
    for name, expected in listed.items():
        path = inside(folder, name)
        if not path.is_file():
            raise InputError(f"{path} is missing")
        if digest(path) != expected:
            raise InputError(f"{path} is damaged: its content is not what was written (another checksum)")


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """`value` with the checksum of its content under SEAL."""
    return {**value, SEAL: _digest_json(value)}


def unsealed(value: Any) -> Any:
    """Returns `value` without its seal, or unchanged if it has none.

    Raises:
        ValueError: the content is not what was sealed.
    """
    if not isinstance(value, dict):
        return value
    content = {key: x for key, x in value.items() if key != SEAL}
    if SEAL not in value and not any(nearly(key, SEAL) for key in value):
        return value
    if value.get(SEAL) != _digest_json(content):
        raise InputError(
            f"its content is not what was written: damage, or an edit, which is accepted without the entry "
            f'"{SEAL}"'
        )
    return content


def read_sealed(path: Path) -> Any:
    """The JSON value in `path`, without the checksum that it may have.

    Raises:
        OSError: the file cannot be read.
        ValueError: it lies outside its folder, is not JSON, or not what was sealed.
        RecursionError: it is nested too deeply.
    """
    return unsealed(json.loads(inside(path.parent, path.name).read_text(encoding="utf-8")))


def nearly(key: str, name: str) -> bool:
    """Whether a key is `name` with a damaged letter or two."""
    return len(key) == len(name) and sum(a != b for a, b in zip(key, name, strict=True)) <= 2


def _digest_json(value: Any) -> str:
    """SHA-256 of a JSON value, the same however it is indented."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
