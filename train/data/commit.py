"""Turns staged episodes into dataset files, in one step that a kill cannot leave half done.

All new files are first written to `.recording/commit/` and flushed to the disk, and a list of them last of
all. Once the list is there the commit counts: the files are moved to their places, which `recover` can begin
again at any point. Before that, the dataset is untouched and the staged episodes are still there; they are
deleted after the folders that now hold the files were flushed, too.

meta/vlasandbox.json has a checksum of every other file.
"""

import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from ...common.files import digests, flush, flush_tree, make_folder, remove_partials, sealed
from . import schema
from .files import DatasetError, read_json, write_json
from .parquet import PARQUET_ERRORS, checked_place, files_below
from .reading import read_recording, verify
from .schema import FileLimits, number_of, place
from .staging import FOLDER, StagedEpisode, load_staged
from .stats import Stats, merge_stats, to_lists, vector_stats
from .tables import FrameWriter, episode_table, frame_table, stats_of, task_table
from .video import Mp4Appender

ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError)
"""Exceptions of numpy for a damaged npz, beside OSError."""

_MANIFEST = "manifest.json"


@dataclass
class Committed:
    """Content of a dataset, as far as adding to it needs to know."""

    episodes: pa.Table | None = None
    """The rows of all meta/episodes files."""
    frames: int = 0
    instructions: list[str] = field(default_factory=list)
    ours: dict[str, Any] = field(default_factory=dict)
    """meta/vlasandbox.json."""
    seeds: list[int] = field(default_factory=list)
    initial_states: list[np.ndarray] = field(default_factory=list)

    @staticmethod
    def load(root: Path) -> "Committed":
        """Reads the metadata of the dataset at `root`; empty if there is none yet.

        Raises:
            DatasetError: a file is damaged.
        """
        if not (root / schema.INFO).exists():
            return Committed()
        ours = read_recording(root) or {}
        verify(root, ours)
        try:
            with np.load(checked_place(root, root / schema.INITIAL_STATES)) as archive:
                seeds, states = archive["seeds"], archive["states"]
            episodes = pa.concat_tables(
                pq.read_table(path) for path in files_below(root, "meta/episodes", ".parquet")
            )
            instructions = pq.read_table(root / schema.TASKS)["task"].to_pylist()
            frames = read_json(root / schema.INFO)["total_frames"]
        except DatasetError:
            raise
        except (*PARQUET_ERRORS, *ARCHIVE_ERRORS) as error:
            raise DatasetError(
                f"{root} is damaged ({error}): nothing can be added to it, record into a new folder"
            ) from None
        return Committed(
            episodes=episodes,
            frames=frames,
            instructions=instructions,
            ours=ours,
            seeds=seeds.tolist(),
            initial_states=list(states),
        )

    def next_file(self, kind: str) -> int:
        """Number of the first file of `kind` ("data", "meta/episodes", "videos/<key>") not in use yet."""
        if self.episodes is None:
            return 0
        chunks, files = (self.episodes[f"{kind}/{part}_index"].to_pylist() for part in ("chunk", "file"))
        return max(map(number_of, chunks, files)) + 1


def commit(root: Path, seeds: list[int], ours: dict[str, Any], limits: FileLimits) -> None:
    """Adds the staged episodes of `seeds`, in this order, to the dataset at `root`.

    Args:
        ours: content of meta/vlasandbox.json; the environment's spec and the list of episodes are added here.

    Raises:
        DatasetError: the environment is not the one that the dataset comes from.
    """
    before = Committed.load(root)
    work = root / FOLDER / "commit"
    shutil.rmtree(work, ignore_errors=True)
    make_folder(work)
    try:
        _assemble(root, work, seeds, ours, before, limits)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    recover(root)


def _assemble(
    root: Path, work: Path, seeds: list[int], ours: dict[str, Any], before: Committed, limits: FileLimits
) -> None:
    """Writes all files of the grown dataset that change, and last their list, into `work`."""
    files = _Files(work, before, limits)
    rows: list[dict[str, Any]] = []
    stats: list[dict[str, Stats]] = []
    listed = list(before.ours.get("episodes", []))
    episode, spec = None, before.ours.get("spec")
    for seed in tqdm(seeds, desc="writing files", unit="episode", leave=False):
        episode = load_staged(root, seed)
        spec = spec or episode.spec
        if episode.spec != spec:
            raise DatasetError(
                f"{root} comes from another version of the environment: record into a new folder "
                f"(what was recorded now is kept in {root / FOLDER})"
            )
        row, block = files.append(episode)
        rows.append(row)
        stats.append(block)
        entry = {"seed": seed, "frames": len(episode), "success": episode.success}
        listed.append(entry | ({"about": episode.about} if episode.about else {}))
        before.seeds.append(seed)
        before.initial_states.append(episode.initial_state)
    assert episode is not None, "nothing to commit"
    files.close()

    table = episode_table(rows, stats)
    _write_table(table, work / schema.EPISODES_PATH.format(**place(files.episodes_file)))
    merged = stats_of(table if before.episodes is None else pa.concat_tables([before.episodes, table]))
    _write_table(task_table(files.instructions), work / schema.TASKS)
    np.savez(
        work / schema.INITIAL_STATES, seeds=np.array(before.seeds), states=np.stack(before.initial_states)
    )
    write_json(work / schema.STATS, to_lists({key: merge_stats(blocks) for key, blocks in merged.items()}))
    totals = {"episodes": len(listed), "frames": files.frames, "tasks": len(files.instructions)}
    info = schema.info(episode.features, episode.fps, episode.spec["robot"], totals, limits)
    write_json(work / schema.INFO, info)
    new = digests(work)
    known = before.ours.get("files", {}) | new
    ours = ours | {"spec": episode.spec, "episodes": listed, "files": dict(sorted(known.items()))}
    write_json(work / schema.OURS, sealed(ours))
    flush_tree(work)
    write_json(work / _MANIFEST, sorted([*new, schema.OURS]))


def recover(root: Path) -> None:
    """Completes an interrupted commit, and clears away what killed processes left half written."""
    work = checked_place(root, root / FOLDER / "commit")
    if (work / _MANIFEST).exists():
        # info.json last: whoever looks in between finds the old totals.
        names = sorted(_listed(root, work), key=lambda name: name == schema.INFO)
        for name in names:
            if (work / name).exists():
                make_folder((root / name).parent)
                os.replace(work / name, root / name)
            elif not (root / name).exists():
                raise DatasetError(f"{root / name} is lost: {work / _MANIFEST} says that it was written")
        for folder in sorted({(root / name).parent for name in names}):
            flush(folder)
        (work / _MANIFEST).unlink()
        flush(work)
    shutil.rmtree(work, ignore_errors=True)
    remove_partials(root / FOLDER)


def _listed(root: Path, work: Path) -> list[str]:
    """The names in the manifest: each is a place where a dataset has a file, and no link leads elsewhere."""
    names = read_json(work / _MANIFEST)
    if not isinstance(names, list) or not all(isinstance(x, str) and schema.is_own(x) for x in names):
        raise DatasetError(f"{work / _MANIFEST} lists what no dataset has: delete {work} and record again")
    for name in names:
        checked_place(root, root / name)
        checked_place(root, work / name)
    return names


def commit_interrupted(root: Path) -> bool:
    """Whether the dataset at `root` waits for `recover`."""
    return (root / FOLDER / "commit" / _MANIFEST).exists()


class _Files:
    """The open data file and the open video file of each camera, with the bookkeeping of who is where."""

    def __init__(self, work: Path, before: Committed, limits: FileLimits) -> None:
        self.frames = before.frames
        self.instructions = before.instructions
        self.episodes_file = before.next_file("meta/episodes")
        self._work, self._before, self._limits = work, before, limits
        self._episode_index = len(before.seeds)
        self._data: tuple[int, FrameWriter] | None = None
        self._videos: dict[str, tuple[int, Mp4Appender]] = {}

    def append(self, episode: StagedEpisode) -> tuple[dict[str, Any], dict[str, Stats]]:
        """Writes one episode; returns its row of meta/episodes and its statistics."""
        if episode.instruction not in self.instructions:
            self.instructions.append(episode.instruction)
        task_index = self.instructions.index(episode.instruction)
        table, counters = frame_table(episode, self._episode_index, self.frames, task_index)
        number = self._append_frames(table)
        row: dict[str, Any] = {
            "episode_index": self._episode_index,
            "tasks": [episode.instruction],
            "length": len(episode),
        }
        row |= {f"data/{name}": value for name, value in place(number).items()}
        row |= {"dataset_from_index": self.frames, "dataset_to_index": self.frames + len(episode)}
        for key, mp4 in episode.videos.items():
            number, first, count = self._append_video(key, mp4, episode.fps)
            assert count == len(episode), f"{count} frames of {key} for {len(episode)} steps"
            row |= {f"videos/{key}/{name}": value for name, value in place(number).items()}
            row[f"videos/{key}/from_timestamp"] = first / episode.fps
            row[f"videos/{key}/to_timestamp"] = (first + count) / episode.fps
        row |= {f"meta/episodes/{name}": value for name, value in place(self.episodes_file).items()}
        self.frames += len(episode)
        self._episode_index += 1
        return row, episode.stats | {key: vector_stats(values) for key, values in counters.items()}

    def close(self) -> None:
        """Makes every open file valid."""
        for file in (self._data, *self._videos.values()):
            if file is not None:
                file[1].close()

    def _append_frames(self, table: pa.Table) -> int:
        """Number of the data file that took the frames; a new one if the open one would grow too large."""
        if self._data is not None:
            number, file = self._data
            if file.bytes * (1 + len(table) / file.frames) >= self._limits.data_mb * 2**20:
                file.close()
                self._data = (number + 1, FrameWriter(self._path(schema.DATA_PATH, number + 1), table.schema))
        else:
            number = self._before.next_file("data")
            self._data = (number, FrameWriter(self._path(schema.DATA_PATH, number), table.schema))
        number, file = self._data
        file.append(table)
        return number

    def _append_video(self, key: str, mp4: bytes, fps: int) -> tuple[int, int, int]:
        """(file number, first frame in that file, frames) of the episode's stretch of video."""
        if key in self._videos:
            number, file = self._videos[key]
            if file.bytes + len(mp4) >= self._limits.video_mb * 2**20:
                file.close()
                path = self._path(schema.VIDEO_PATH, number + 1, video_key=key)
                self._videos[key] = (number + 1, Mp4Appender(path, fps))
        else:
            number = self._before.next_file(f"videos/{key}")
            self._videos[key] = (
                number,
                Mp4Appender(self._path(schema.VIDEO_PATH, number, video_key=key), fps),
            )
        number, file = self._videos[key]
        first = file.frames
        return number, first, file.append(mp4)

    def _path(self, template: str, number: int, **keys: str) -> Path:
        path = self._work / template.format(**place(number), **keys)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _write_table(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy", write_page_checksum=True)
