"""The parquet tables of LeRobotDataset v3.0, with pyarrow alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .schema import COUNTERS, video_keys
from .staging import StagedEpisode
from .stats import Stats

STAT_NAMES = ("min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99", "count")


def frame_table(
    episode: StagedEpisode, episode_index: int, first_frame: int, task_index: int
) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """One row per frame with every feature that is not a video; and the counters alone, for their stats."""
    steps = np.arange(len(episode))
    counters = {
        "frame_index": steps,
        "episode_index": np.full_like(steps, episode_index),
        "index": first_frame + steps,
        "task_index": np.full_like(steps, task_index),
    }
    assert tuple(counters) == COUNTERS
    values = episode.columns | counters
    names = [key for key in episode.features if key not in video_keys(episode.features)]
    return pa.table({name: _column(values[name], episode.features[name]) for name in names}), counters


def _column(values: np.ndarray, feature: dict[str, Any]) -> pa.Array:
    """Shape (1,) becomes a plain column, shape (d,) a column of fixed-size lists."""
    flat = pa.array(values.reshape(-1).astype(feature["dtype"]))
    width = feature["shape"][0]
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def episode_table(rows: list[dict[str, Any]], stats: list[dict[str, Stats]]) -> pa.Table:
    """One row per episode: the plain columns of `rows`, and `stats` as stats/<feature>/<name>."""
    columns: dict[str, pa.Array] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name == "tasks":
            columns[name] = pa.array(values, pa.list_(pa.string()))
        elif name.endswith("timestamp"):
            columns[name] = pa.array(values, pa.float64())
        elif not name.startswith("meta/"):
            columns[name] = pa.array(values, pa.int64())
    for feature in stats[0]:
        for name in STAT_NAMES:
            arrays = [block[feature][name] for block in stats]
            kind = pa.int64() if name == "count" else pa.float64()
            for _ in range(arrays[0].ndim):
                kind = pa.list_(kind)
            columns[f"stats/{feature}/{name}"] = pa.array([x.tolist() for x in arrays], kind)
    for name in ("meta/episodes/chunk_index", "meta/episodes/file_index"):
        columns[name] = pa.array([row[name] for row in rows], pa.int64())
    return pa.table(columns)


def stats_of(table: pa.Table) -> dict[str, list[Stats]]:
    """Statistics per feature of every episode in an `episode_table`."""
    blocks: dict[str, list[Stats]] = {}
    for column in table.column_names:
        if column.startswith("stats/"):
            feature, name = column.removeprefix("stats/").rsplit("/", 1)
            rows = blocks.setdefault(feature, [{} for _ in range(len(table))])
            for row, value in zip(rows, table[column].to_pylist(), strict=True):
                row[name] = np.array(value)
    return blocks


def task_table(instructions: list[str]) -> pa.Table:
    """Instructions with their index, as pandas would write a frame whose index is named "task".

    LeRobot looks an instruction up by the frame's index, which parquet has no notion of: pandas finds it
    through this metadata.
    """
    table = pa.table({"task_index": pa.array(range(len(instructions)), pa.int64()), "task": instructions})

    def column(name: str, pandas_type: str, numpy_type: str) -> dict[str, Any]:
        return {
            "name": name,
            "field_name": name,
            "pandas_type": pandas_type,
            "numpy_type": numpy_type,
            "metadata": None,
        }

    header = column("", "unicode", "object") | {
        "name": None,
        "field_name": None,
        "metadata": {"encoding": "UTF-8"},
    }
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [header],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    return table.replace_schema_metadata({b"pandas": json.dumps(pandas).encode()})


class FrameWriter:
    """A data file in the making: one row group per episode."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.frames = 0
        """Rows written so far."""
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pq.ParquetWriter(
            self._sink, schema, compression="snappy", use_dictionary=True, write_page_checksum=True
        )

    @property
    def bytes(self) -> int:
        """Size on disk so far."""
        return self._sink.tell()

    def append(self, table: pa.Table) -> None:
        """Adds the frames of one episode."""
        self._writer.write_table(table, row_group_size=len(table))
        self.frames += len(table)

    def close(self) -> None:
        """Writes the footer; the file can be read from here on."""
        self._writer.close()
        self._sink.close()
