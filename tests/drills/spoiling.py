"""Ways to spoil files: bytes as a disk does, JSON values as a person or a stranger may."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEALS = ("sha256", "files", "arrays_sha256")
"""Entries of JSON files that hold checksums."""


@dataclass(frozen=True)
class Damage:
    """What was done."""

    text: str
    told: bool
    """Whether a checksum could tell."""


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.0, 1e308, 1e-308, math.nan,
    math.inf, -math.inf, "", " ", "x", "pick", "reach", "franka", "\0", "\ud800", "é" * 50, "a" * 100_000,
    "../lure/secret", "../../lure/secret", "../../../lure/secret", "../../../../lure", "..", "/",
    "/etc/passwd", "lure_module.Config", "lure_module", "this.Config",
    "venv.__main__.C", "antigravity", "__main__.Config",
    "os.system", "vlasandbox.train.cli.Config", "vlasandbox.policies.heads.flow.Config", "{video_key.x}",
    "{file_index:0300000000d}", "{", "%s%s%n", "<script>alert(1)</script>", "${jndi:x}", [], {}, [1], [[]],
    [None], {"a": 1}, ["a"] * 1000, {"type": "lure_module.Config"}, {"type": "this.Config"}, {"": None},
)  # fmt: skip
"""Values that a field may get instead of its own."""


def odd(rng: np.random.Generator) -> Any:
    """One of ODD, or something very deep."""
    number = int(rng.integers(len(ODD) + 1))
    if number < len(ODD):
        return ODD[number]
    deep: Any = 1
    for _ in range(200):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    return deep


def spoil_value(value: Any, rng: np.random.Generator) -> tuple[Any, str]:
    """A JSON value with something changed at some depth, and what that was."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = list(value)[int(rng.integers(len(value)))]
        if rng.random() < 0.75:
            inner, text = spoil_value(value[key], rng)
            return {**value, key: inner}, f"{key}.{text}"
        if rng.random() < 0.5:
            return {k: x for k, x in value.items() if k != key}, f"without {key}"
        if rng.random() < 0.5:
            return {**value, "odd": odd(rng)}, "one more"
        return {f"{k}_" if k == key else k: x for k, x in value.items()}, f"{key} renamed"
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = int(rng.integers(len(value)))
        way = rng.random()
        if way < 0.6:
            inner, text = spoil_value(value[at], rng)
            return [*value[:at], inner, *value[at + 1 :]], f"[{at}].{text}"
        if way < 0.75:
            return value[:at] + value[at + 1 :], f"without [{at}]"
        if way < 0.9:
            return [*value, value[at]], f"[{at}] twice"
        return value[::-1], "reversed"
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
        new = [value + 1, value - 1, -value, value * 1000, value / 1000, str(value)][int(rng.integers(6))]
        return new, f"= {new!r:.60}"
    if isinstance(value, str) and value and rng.random() < 0.3:
        at = int(rng.integers(len(value)))
        new = value[:at] + chr(int(rng.integers(32, 1000))) + value[at + 1 :]
        return new, f"= {new!r:.60}"
    new = odd(rng)
    return new, f"= {new!r:.60}"


def spoil_json(path: Path, rng: np.random.Generator, *, sealed: bool) -> Damage:
    """Edits a JSON file.

    Args:
        sealed: whether its checksums stay, or are taken out as by a person who means the edit.
    """
    value = json.loads(path.read_text())
    if not sealed and isinstance(value, dict):
        value = {key: x for key, x in value.items() if key not in SEALS}
    told = sealed and isinstance(value, dict) and "sha256" in value
    value, text = spoil_value(value, rng)
    path.write_text(json.dumps(value))
    edited = isinstance(value, dict) and "sha256" not in value
    return Damage(f"{path.name}: {text}", told and not edited)


def spoil_bytes(path: Path, rng: np.random.Generator, *, told: bool = True) -> Damage:
    """Damages a file as a disk, a full disk or a bad copy does."""
    data = bytearray(path.read_bytes())
    size = len(data)
    at, to = sorted(int(x) for x in rng.integers(0, size + 1, 2))
    way = int(rng.integers(10))
    if way <= 2 and size:
        at = int(rng.integers(size))
        data[at] ^= 1 << int(rng.integers(8))
        text = f"bit of byte {at} of {size}"
    elif way == 3 and size:
        for at in rng.integers(0, size, 8):
            data[int(at)] = int(rng.integers(256))
        text = f"8 bytes of {size}"
    elif way == 4:
        data, text = data[:at], f"cut after {at} of {size}"
    elif way == 5:
        data[at:to] = bytes(to - at)
        text = f"zeros from {at} to {to} of {size}"
    elif way == 6:
        data[at:at] = data[at:to]
        text = f"{at} to {to} of {size} twice"
    elif way == 7:
        data += rng.bytes(int(rng.integers(1, 100)))
        text = "more at the end"
    elif way == 8:
        data[at:to] = rng.bytes(to - at)
        text = f"noise from {at} to {to} of {size}"
    else:
        data, text = bytearray(), "emptied"
    path.write_bytes(data)
    return Damage(f"{path.name}: {text}", told)


def spoil_place(path: Path, rng: np.random.Generator) -> Damage:
    """Puts something else in a file's place: nothing, a folder, a link to somewhere else."""
    way = int(rng.integers(4))
    path.unlink()
    if way == 0:
        return Damage(f"{path.name}: removed", False)
    if way == 1:
        path.mkdir()
        return Damage(f"{path.name}: a folder", False)
    folder = path.parent
    while not (folder / "lure").exists():
        folder = folder.parent
    path.symlink_to(folder / "lure/secret" if way == 2 else path.parent / "nowhere")
    return Damage(f"{path.name}: a link", False)


def files(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder, in order."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def any_file(*patterns: str, told: bool = True) -> Callable[[Path, np.random.Generator], Damage]:
    """Damages one of the files that match: mostly its bytes, sometimes its place."""

    def spoil(folder: Path, rng: np.random.Generator) -> Damage:
        found = [path for pattern in patterns for path in files(folder, pattern)]
        path = found[int(rng.integers(len(found)))]
        if rng.random() < 0.07:
            return spoil_place(path, rng)
        return spoil_bytes(path, rng, told=told)

    return spoil


def any_json(*patterns: str, sealed: bool) -> Callable[[Path, np.random.Generator], Damage]:
    """Edits one of the JSON files that match."""

    def spoil(folder: Path, rng: np.random.Generator) -> Damage:
        found = [path for pattern in patterns for path in files(folder, pattern)]
        return spoil_json(found[int(rng.integers(len(found)))], rng, sealed=sealed)

    return spoil


def one_of(ways: Sequence[Callable[[Path, np.random.Generator], Damage]]):
    """One of several ways to spoil."""

    def spoil(folder: Path, rng: np.random.Generator) -> Damage:
        return ways[int(rng.integers(len(ways)))](folder, rng)

    return spoil


def after(first: Callable[[Path], None], then: Callable[[Path, np.random.Generator], Damage]):
    """Spoils after something was done that no checksum survives."""

    def spoil(folder: Path, rng: np.random.Generator) -> Damage:
        first(folder)
        return Damage(then(folder, rng).text, False)

    return spoil
