"""Parquet files of a dataset, ours or another program's, as numpy arrays."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...common.files import inside
from .files import AGAIN, DatasetError, check_pointer

# pyarrow decodes the names of columns itself.
PARQUET_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)


def files_below(root: Path, folder: str, suffix: str = "") -> list[Path]:
    """All files below `root`/`folder`, sorted, through links that stay in `root`.

    What is hidden (".ipynb_checkpoints/", "._file") is no part of a dataset: editors put it there.

    Raises:
        DatasetError: a link leads elsewhere.
    """
    found: list[Path] = []
    seen: set[Path] = set()
    for parent, folders, names in os.walk(checked_place(root, root / folder), followlinks=True):
        here = checked_place(root, Path(parent))
        if here.resolve() in seen:  # links in a circle
            folders.clear()
            continue
        seen.add(here.resolve())
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            checked_place(root, here / name)
            for name in names
            if name.endswith(suffix) and not name.startswith(".")
        ]
    return sorted(found)


def checked_place(root: Path, path: Path) -> Path:
    """`path`, which lies in `root` unless links in the dataset lead elsewhere.

    Raises:
        DatasetError: they do.
    """
    try:
        return inside(root, path.relative_to(root).as_posix())
    except ValueError as error:
        raise DatasetError(f"{root} has a link that leads elsewhere: {error}") from None


def read_tables(
    root: Path, paths: Sequence[Path], names: Sequence[str], spare: Sequence[str] = ()
) -> pa.Table:
    """Columns `names`, and those of `spare` that all files have, of the files one after the other.

    Raises:
        DatasetError: a file is missing, damaged, or has no such column.
    """
    there = [set(column_names(path)) for path in paths]
    wanted = [*names, *(name for name in spare if all(name in file for file in there))]
    tables = [read_table(path, wanted) for path in paths]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except PARQUET_ERRORS as error:
        raise DatasetError(f"{root} has files whose columns do not go together: {error}") from None


def read_table(path: Path, names: Sequence[str] | None = None) -> pa.Table:
    """Columns `names` of one file, all by default.

    Raises:
        DatasetError: it is missing, damaged, or has no such column.
    """
    with _opened(path) as file:
        missing = [name for name in names or () if name not in file.schema_arrow.names]
        if missing:
            raise DatasetError(f"{path} has no column {', '.join(map(repr, missing))}")
        try:
            table = file.read(columns=None if names is None else list(names))
            table.validate(full=True)
        except PARQUET_ERRORS as error:
            raise DatasetError(f"{path} is damaged ({error}): {AGAIN}") from None
        return table


def column_names(path: Path) -> list[str]:
    """Names of the columns of a file.

    Raises:
        DatasetError: it is missing or damaged.
    """
    with _opened(path) as file:
        return file.schema_arrow.names


def row_groups(path: Path) -> list[int]:
    """Rows of each row group of a file."""
    with _opened(path) as file:
        return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


def values(path: Path, name: str, group: int, at_once: int) -> Iterator[Any]:
    """The values of one column in one row group, read so many at once."""
    with _opened(path) as file:
        try:
            for batch in file.iter_batches(at_once, row_groups=[group], columns=[name]):
                yield from batch.column(0).to_pylist()
        except PARQUET_ERRORS as error:
            raise DatasetError(f"{path} is damaged ({error}): {AGAIN}") from None


def vectors(where: Path, name: str, column: pa.Array | pa.ChunkedArray, width: int | None) -> np.ndarray:
    """A column of numbers as [n], or of lists of `width` numbers, of whatever kind of list, as [n, width].

    Raises:
        DatasetError: a value is missing, no number, or has another length.
    """
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    n, nested = len(flat), False
    while True:
        if isinstance(flat, pa.ExtensionArray):
            flat = flat.storage
        if flat.null_count:
            raise DatasetError(f"{where} has {flat.null_count} empty values in {name!r}")
        if not _is_list(flat.type):
            break
        flat, nested = flat.flatten(), True
    if not (
        pa.types.is_integer(flat.type) or pa.types.is_floating(flat.type) or pa.types.is_boolean(flat.type)
    ):
        raise DatasetError(f"{where} has {flat.type} in {name!r}, where numbers are needed")
    array = flat.to_numpy(zero_copy_only=False)
    if not nested:
        return array
    if width is None or len(array) != n * width:
        raise DatasetError(f"{where} has rows of {name!r} that are not {width} long, as its info.json says")
    return array.reshape(n, width)


def whole_numbers(where: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """A column of whole numbers, int64 [n]; some programs store them as floats.

    Raises:
        DatasetError: a value is missing or not whole.
    """
    array = vectors(where, name, column, 1).reshape(len(column))
    found = array.astype(np.float64)
    if not (np.isfinite(found).all() and (found == np.floor(found)).all() and (np.abs(found) < 2**53).all()):
        raise DatasetError(f"{where} has a value of {name!r} that is not a whole number")
    return array.astype(np.int64)


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    tests = ["is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view"]
    return any(getattr(types, test, lambda _: False)(kind) for test in tests)


def _opened(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise DatasetError(f"{path} does not exist")
    check_pointer(path)
    try:
        # Checksums are there in what we wrote; another program's files are read without.
        return pq.ParquetFile(path, page_checksum_verification=True)
    except PARQUET_ERRORS as error:
        raise DatasetError(f"{path} is damaged ({error}): {AGAIN}") from None
