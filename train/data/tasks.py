"""The instructions of a dataset: meta/tasks.parquet, by whichever program it was written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from . import schema
from .files import DatasetError
from .parquet import checked_place, read_table, whole_numbers

NUMBER, SENTENCE = "task_index", "task"
UNNAMED = "__index_level_0__"
"""Name that pandas gives to an index without one; LeRobot 0.4 keeps the sentences in one."""


def read_tasks(root: Path) -> dict[int, str]:
    """The sentences by their task_index, in its order.

    Raises:
        DatasetError: the file is missing or damaged, does not say which column the sentences are in, or has
            none, or two, for a number.
    """
    path = checked_place(root, root / schema.TASKS)
    if not path.exists():
        raise DatasetError(
            f"{path} does not exist; where tasks.jsonl is in its place the dataset is older than v3.0 "
            "(LeRobot converts it: python -m lerobot.scripts.convert_dataset_v21_to_v30)"
        )
    table = read_table(path)
    name = _sentence_column(path, table)
    numbers = whole_numbers(path, NUMBER, table[NUMBER]).tolist()
    sentences = table[name].to_pylist()
    tasks: dict[int, str] = {}
    for number, sentence in sorted(zip(numbers, sentences, strict=True), key=lambda pair: pair[0]):
        if not isinstance(sentence, str):
            raise DatasetError(
                f"{path} has no sentence for task {number}, but {sentence!r}: write one; it may be empty"
            )
        if tasks.setdefault(number, sentence) != sentence:
            raise DatasetError(f"{path} has two sentences for task {number}: {tasks[number]!r}, {sentence!r}")
    return tasks


def by_place(root: Path, tasks: dict[int, str], task_index: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The distinct sentences, and for each frame the place of its own among them.

    Args:
        tasks: from `read_tasks`.
        task_index: of each frame; a key of `tasks`, not a place.

    Raises:
        DatasetError: a frame has a task that there is no sentence for.
    """
    unknown = sorted(set(np.unique(task_index).tolist()) - tasks.keys())
    if unknown:
        raise DatasetError(
            f"{root} is inconsistent: its frames have task_index {unknown[0]}, which {schema.TASKS} has no "
            f"sentence for (it has {', '.join(map(str, tasks)) or 'none'})"
        )
    sentences = list(dict.fromkeys(tasks.values()))
    places = {sentence: place for place, sentence in enumerate(sentences)}
    numbers = np.array(sorted(tasks))
    where = np.array([places[tasks[number]] for number in numbers.tolist()])
    return sentences, where[np.searchsorted(numbers, task_index)]


def _sentence_column(path: Path, table: pa.Table) -> str:
    """Column called "task", or what pandas says the index is, or the only one with text."""
    if NUMBER not in table.column_names:
        raise DatasetError(f"{path} has no column {NUMBER!r}")
    texts = [name for name in table.column_names if _is_text(table.schema.field(name).type)]
    candidates = [SENTENCE, *_pandas_index(table), UNNAMED]
    if len(texts) == 1:
        candidates += texts
    for name in candidates:
        # One without any value is of type null; it has no sentences, but is where they belong.
        if name in table.column_names and name != NUMBER:
            return name
    raise DatasetError(
        f"{path} has no column {SENTENCE!r}, and which of {', '.join(map(repr, table.column_names))} it is "
        "cannot be told"
    )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def _pandas_index(table: pa.Table) -> list[str]:
    try:
        stored: Any = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
        return [name for name in stored.get("index_columns", []) if isinstance(name, str)]
    except (ValueError, AttributeError):
        return []
