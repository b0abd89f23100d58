"""Rows of numbers in a file that grows: a JSON object a line, each with a checksum of its own."""

import json
import zlib
from pathlib import Path
from typing import Any

from .errors import InputError, VlaError
from .files import nearly

CHECKSUM = "crc32"
"""Key of a row's checksum, in hexadecimal; rows had none at first."""


class LineError(VlaError, ValueError):
    """A line that is not what was written; the message is one sentence that names the file and the line."""


def to_line(row: dict[str, Any]) -> str:
    """`row` as a line, with its end."""
    return json.dumps({**row, CHECKSUM: _checksum(row)}) + "\n"


def from_line(line: str | bytes) -> dict[str, Any]:
    """The row of a line.

    Raises:
        ValueError: it is not what was written.
    """
    row = json.loads(line)
    if not isinstance(row, dict):
        raise InputError("it is no row")
    if not any(nearly(key, CHECKSUM) for key in row):
        return row
    expected = row.pop(CHECKSUM, None)
    if expected != _checksum(row):
        raise InputError("its checksum is another")
    return row


def read_lines(path: Path, again: str) -> list[dict[str, Any]]:
    """The rows of the file at `path`; a last line without its end is still being written.

    Args:
        again: the way back, for the message.

    Raises:
        LineError: a line is damaged.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            rows.append(from_line(line))
        except (ValueError, RecursionError) as error:
            raise LineError(f"{path} is damaged in line {number} ({error}): {again}") from None
    return rows


def _checksum(row: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(row, sort_keys=True).encode()):08x}"
