"""A model of a disk that loses power: what may be left of a folder, at any moment of a program writing there.

While `Disk.follow` is entered it follows one folder through flushes, renames and removals, whoever writes the
files. A file's content is safe once it was flushed; before, it may be what it was at the last flush, nothing,
half of it, or all. An entry of a folder (a file made, renamed, removed) is safe once that folder was flushed;
before, it may have happened or not, whatever came after it. A rename happens wholly or not at all. This is
less than any file system in use promises, so a program that survives here survives there.
"""

import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

ALL_SUBSETS = 5
"""Up to so many entries that may or may not be there, all combinations are tried."""
WATCHED = ("fsync", "fdatasync", "rename", "replace", "unlink", "remove", "mkdir", "rmdir", "link", "symlink")


@dataclass
class _File:
    content: bytes = b""
    safe: bytes = b""
    stamp: tuple[int, int] = (-1, -1)


@dataclass
class _Entry:
    """One change of a folder's list: `name` in folder `into` is now `node` (None: gone); a rename also takes
    `source` away."""

    into: int
    name: str
    node: int | None
    source: tuple[int, str] | None = None
    safe: bool = False


Outcome = dict[str, bytes | None]
"""What a folder is found to hold: content by relative path, None for a folder."""


@dataclass
class Moment:
    """A state of the disk at which the power may fail, and what had been promised by then."""

    promised: Any
    entries: list[_Entry] = field(repr=False)
    files: dict[int, tuple[bytes, bytes]] = field(repr=False)
    """(content, safe content) by node."""

    def outcomes(self) -> Iterator[Outcome]:
        """Every state that the folder may be found in; of many entries in doubt not every combination."""
        for missing in _subsets(self._doubtful()):
            tree = self._tree(set(missing))
            unsafe = self._unsafe(tree)
            yield self._found(tree, {})
            for share in (0.0, 0.5) if unsafe else ():
                yield self._found(tree, dict.fromkeys(unsafe, share))
            for node in unsafe if len(unsafe) > 1 else ():
                yield self._found(tree, {node: 0.0})

    def draw(self, rng: np.random.Generator) -> Outcome:
        """One of all the states that the folder may be found in."""
        doubtful, risk = self._doubtful(), rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        tree = self._tree({i for i in doubtful if rng.random() < risk})
        return self._found(tree, {node: float(rng.choice([0.0, 0.5, 1.0])) for node in self._unsafe(tree)})

    def _doubtful(self) -> list[int]:
        return [i for i, entry in enumerate(self.entries) if not entry.safe]

    def _unsafe(self, tree: dict[str, int | None]) -> list[int]:
        nodes = sorted({node for node in tree.values() if node is not None})
        return [node for node in nodes if self.files[node][0] != self.files[node][1]]

    def _found(self, tree: dict[str, int | None], shares: dict[int, float]) -> Outcome:
        """The tree with the given share of what was not flushed of each file; all of it by default."""
        return {path: None if n is None else self._content(n, shares.get(n, 1.0)) for path, n in tree.items()}

    def _content(self, node: int, share: float) -> bytes:
        content, safe = self.files[node]
        return content if share == 1 else content[: len(content) // 2] if share else safe

    def _tree(self, missing: set[int]) -> dict[str, int | None]:
        """Node of each file by path (None: a folder), if the entries `missing` never happened."""
        folders: dict[int, dict[str, int]] = {}
        for i, entry in enumerate(self.entries):
            if i in missing:
                continue
            if entry.source is not None:
                folders.get(entry.source[0], {}).pop(entry.source[1], None)
            if entry.node is None:
                folders.get(entry.into, {}).pop(entry.name, None)
            else:
                folders.setdefault(entry.into, {})[entry.name] = entry.node
        found: dict[str, int | None] = {}

        def walk(folder: int, prefix: str) -> None:
            for name, node in folders.get(folder, {}).items():
                found[prefix + name] = node if node in self.files else None
                if node not in self.files:
                    walk(node, f"{prefix}{name}/")

        walk(0, "")
        return found


def _subsets(items: list[int]) -> Iterator[Sequence[int]]:
    """Combinations of entries that never happened."""
    if len(items) <= ALL_SUBSETS:
        for size in range(len(items) + 1):
            yield from itertools.combinations(items, size)
        return
    yield from (items[n:] for n in range(len(items) + 1))
    yield from ([item] for item in items)
    yield from ([x for x in items if x != item] for item in items)


class Disk:
    """Follows a folder; `moments` are the states at which the power may fail."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.moments: list[Moment] = []
        self.promised: Any = None
        """What the program has said so far; a moment keeps what it was then."""
        self._files: dict[int, _File] = {}
        self._entries: list[_Entry] = []
        self._names: dict[int, int] = {}
        self._numbers = itertools.count(1)
        self._where: dict[tuple[int, str], int] = {}
        self._root_inode = root.stat().st_ino

    @contextmanager
    def follow(self) -> Iterator["Disk"]:
        """Records what happens in the folder. Nothing is really flushed: it would only take time."""
        real = {name: getattr(os, name) for name in WATCHED}

        def watched(name: str) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                self._look()
                if name in ("fsync", "fdatasync"):
                    self._flush(os.fstat(args[0]))
                    return None
                result = real[name](*args, **kwargs)
                self._look()
                return result

            return call

        with ExitStack() as stack:
            for name in WATCHED:
                stack.enter_context(patch.object(os, name, watched(name)))
            yield self
        self._look()

    def promise(self, what: Any) -> None:
        """From here on the program has said this."""
        self._look()
        self.promised = what
        self._keep()

    def _node(self, inode: int) -> int:
        return 0 if inode == self._root_inode else self._names.setdefault(inode, next(self._numbers))

    def _look(self) -> None:
        """Finds out what changed since the last look."""
        now: dict[tuple[int, str], int] = {}
        changed = False
        queue = [(self.root, 0)]
        while queue:
            folder, node = queue.pop()
            for entry in os.scandir(folder):
                found = entry.stat(follow_symlinks=False)
                child = self._node(found.st_ino)
                now[node, entry.name] = child
                if stat.S_ISDIR(found.st_mode):
                    queue.append((Path(entry.path), child))
                    continue
                file = self._files.setdefault(child, _File())
                stamp = (found.st_mtime_ns, found.st_size)
                if stamp != file.stamp:
                    changed |= True
                    file.content, file.stamp = Path(entry.path).read_bytes(), stamp
        added = {place: node for place, node in now.items() if self._where.get(place) != node}
        gone = {place: node for place, node in self._where.items() if now.get(place) != node}
        sources = {node: place for place, node in gone.items()}
        for (into, name), node in added.items():
            source = sources.get(node)
            if source is not None:
                gone.pop(source, None)
            gone.pop((into, name), None)  # what was there is replaced
            self._entries.append(_Entry(into, name, node, source))
        self._entries += [_Entry(into, name, None) for into, name in gone]
        self._where = now
        living = set(now.values())
        for inode in [inode for inode, node in self._names.items() if node not in living]:
            del self._names[inode]  # the system may give its number to another file
        if changed or added or gone:
            self._keep()

    def _flush(self, found: os.stat_result) -> None:
        if found.st_ino != self._root_inode and found.st_ino not in self._names:
            return  # elsewhere
        node = self._node(found.st_ino)
        if stat.S_ISDIR(found.st_mode):
            for entry in self._entries:
                entry.safe |= entry.into == node
        else:
            self._files[node].safe = self._files[node].content
        self._keep()

    def _keep(self) -> None:
        entries = [_Entry(e.into, e.name, e.node, e.source, e.safe) for e in self._entries]
        files = {node: (file.content, file.safe) for node, file in self._files.items()}
        self.moments.append(Moment(self.promised, entries, files))


def put(outcome: Outcome, folder: Path) -> Path:
    """Writes an outcome to `folder` and returns it."""
    folder.mkdir(parents=True)
    for name, content in sorted(outcome.items()):
        path = folder / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


def every_crash(disk: Disk) -> Iterator[tuple[Any, Outcome]]:
    """What was promised and what is found, for all outcomes of all moments that differ."""
    seen: set[bytes] = set()
    for moment in disk.moments:
        for outcome in moment.outcomes():
            key = hashlib.sha256(repr((moment.promised, sorted(outcome.items()))).encode()).digest()
            if key not in seen:
                seen.add(key)
                yield moment.promised, outcome


def some_crashes(disk: Disk, count: int, seed: int = 0) -> Iterator[tuple[Any, Outcome]]:
    """The same for moments and outcomes drawn at random; every fifth is of the end."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        moment = disk.moments[-1 if number % 5 == 0 else int(rng.integers(len(disk.moments)))]
        yield moment.promised, moment.draw(rng)
