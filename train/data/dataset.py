"""Opens a LeRobotDataset v3.0, ours or anyone's, and says clearly what is wrong with it."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int

from ...envs.episode import SOURCES
from . import schema
from .chunk_labels import ChunkLabels
from .commit import commit_interrupted
from .files import DatasetError, read_json
from .parquet import checked_place, files_below
from .pictures import Run, VideoRun
from .places import find_runs
from .reading import (
    AGAIN,
    check_clock,
    check_counts,
    check_info,
    check_spec,
    data_files,
    frame_matrix,
    read_episodes,
    read_frames,
    read_recording,
    target_uv,
    verify,
)
from .staging import staged_seeds
from .tasks import by_place, read_tasks


@dataclass(frozen=True)
class Dataset:
    """All of a dataset but its pixels, in memory. Frame i is row i of every array; n frames, e episodes."""

    root: Path
    fps: int
    """Control rate [Hz]."""
    cameras: tuple[str, ...]
    """View names, in the order of axis `v`."""
    image_sizes: tuple[tuple[int, int], ...]
    """(height, width) per camera [px]."""
    state: Float32[np.ndarray, "n s"]
    """Proprioception; s is 0 if the dataset has none."""
    action: Float32[np.ndarray, "n a"]
    reference: Float32[np.ndarray, "n r"] | None
    """Command in force before each action; None if the dataset is not ours."""
    command: Float32[np.ndarray, "n r"] | None
    """Command that each action asks for; None if the dataset is not ours."""
    perturbed: Bool[np.ndarray, " n"]
    """True where something else than `action` was executed; all False if the dataset is not ours."""
    target_uv: Float32[np.ndarray, "n v 2"] | None
    """Privileged label, see envs/episode.py; None if the dataset is not ours."""
    target_xyz: Float32[np.ndarray, "n 3"] | None
    """Privileged label [m]; None if the dataset is not ours."""
    learned: Bool[np.ndarray, " n"]
    """Frames at which windows to learn from begin (see `_learned`)."""
    progress: Float32[np.ndarray, "n 2"]
    """The task's progress before and after each action; nan where the dataset does not say."""
    by_policy: Bool[np.ndarray, " n"]
    """Frames at which a policy drove; none of a demonstration."""
    chunks: ChunkLabels | None
    """Chunks that are no actions of this dataset's frames; None if there are none."""
    starts: Int[np.ndarray, " e"]
    """First frame of each episode."""
    lengths: Int[np.ndarray, " e"]
    """Frames of each episode."""
    tasks: list[str]
    """The distinct instructions."""
    task_index: Int[np.ndarray, " n"]
    """Index into `tasks` for each frame."""
    runs: list[Run]
    """Places of the pictures."""
    recording: dict[str, Any] | None
    """Content of meta/vlasandbox.json; None if the dataset is not ours, or another program changed it."""
    spec_dict: dict[str, Any] | None = None
    """The environment's description of itself; None if the dataset is not ours. Where another program changed
    it, what the features still say of it, in which there is no task."""
    state_names: tuple[str, ...] | None = None
    """Names of the numbers of `state`; None if the dataset does not say."""
    action_names: tuple[str, ...] | None = None
    """Names of the numbers of `action`; None if the dataset does not say."""
    robot_type: str | None = None
    """Robot type; None if the dataset does not say."""
    left_out: tuple[str, ...] = ()
    """Cameras that nothing is learned from, since their pixels are distances."""
    reordered: bool = False
    """Whether cameras or dimensions stand in another order than in the files (see align.py)."""

    @staticmethod
    def open(root: Path | str) -> "Dataset":
        """Reads and checks the dataset at `root`.

        Raises:
            DatasetError: it is missing, unfinished, damaged, of another version, or lacks what training
            needs.
        """
        root = Path(root)
        if not root.is_dir():
            raise DatasetError(f"{root} does not exist or is not a folder")
        if not (root / schema.INFO).exists():
            waiting = sum(staged_seeds(root).values())
            if waiting:
                raise DatasetError(
                    f"{root} is an unfinished recording ({waiting} episodes): run the same `vla record` again"
                    ", or record into it on the live page"
                )
            raise DatasetError(f"{root} is not a LeRobotDataset: there is no {schema.INFO}")
        if commit_interrupted(root):
            raise DatasetError(
                f"{root}: adding episodes was interrupted, run the same `vla record` again, or record into "
                "it on the live page"
            )
        recording = read_recording(root)
        if recording is not None:
            verify(root, recording)
        info = read_json(checked_place(root, root / schema.INFO), AGAIN)
        check_info(root, info)
        table = info["features"]
        keys = schema.camera_keys(table)
        cameras = tuple(key.removeprefix(schema.IMAGES) for key in keys)
        if recording is not None:
            spec, where = recording["spec"], schema.OURS
        else:
            spec, where = schema.stored_meaning(table, cameras), f"its {schema.ACTION!r}"
        if spec is not None:
            check_spec(root, info, spec, where)
        episodes = read_episodes(root, [key for key in keys if table[key]["dtype"] == "video"])
        paths = data_files(root, info, episodes)
        frames = read_frames(root, info, paths)
        starts, lengths = episodes["dataset_from_index"], episodes["length"]
        check_counts(root, info, starts, lengths, frames)
        check_clock(root, info["fps"], starts, lengths, frames)
        tasks, task_index = by_place(root, read_tasks(root), frames["task_index"])
        count = len(task_index)
        chunks = ChunkLabels.of(root, frames, spec)
        state, action = frame_matrix(root, frames, schema.STATE), frame_matrix(root, frames, schema.ACTION)
        assert action is not None
        return Dataset(
            root=root,
            fps=info["fps"],
            cameras=cameras,
            image_sizes=tuple(schema.image_size(table[key]) for key in keys),
            state=np.zeros((count, 0), np.float32) if state is None else state,
            action=action,
            reference=frame_matrix(root, frames, schema.REFERENCE),
            command=frame_matrix(root, frames, schema.COMMAND),
            perturbed=frames.get(schema.PERTURBED, np.zeros(count, bool)).reshape(count).astype(bool),
            target_uv=target_uv(root, info, cameras, frame_matrix(root, frames, schema.TARGET_UV)),
            target_xyz=frame_matrix(root, frames, schema.TARGET_XYZ),
            learned=_learned(recording, frames, starts, lengths, chunks),
            progress=_progress(frames, count),
            by_policy=frames.get(schema.SOURCE, np.zeros(count)).reshape(count) == SOURCES.index("policy"),
            chunks=chunks,
            starts=starts,
            lengths=lengths,
            tasks=tasks,
            task_index=task_index,
            runs=find_runs(root, info, keys, episodes, paths),
            recording=recording,
            spec_dict=spec,
            state_names=schema.dimension_names(table[schema.STATE]) if state is not None else None,
            action_names=schema.dimension_names(table[schema.ACTION]),
            robot_type=_robot(info.get("robot_type")),
            left_out=tuple(
                key for key, feature in table.items() if schema.is_picture(feature) and key not in keys
            ),
        )

    def __len__(self) -> int:
        return len(self.action)

    @property
    def video_runs(self) -> list[VideoRun]:
        """The stretches of videos among `runs`."""
        return [run for run in self.runs if isinstance(run, VideoRun)]

    @property
    def action_space(self) -> str | None:
        """Name of the actions' space in `envs.control`; None if the dataset is not ours."""
        return None if self.spec_dict is None else self.spec_dict["action_space"]["name"]

    @property
    def num_windows(self) -> int:
        """Windows of one epoch.

        Raises:
            DatasetError: there are none.
        """
        if not (count := int(self.learned.sum())):
            raise DatasetError(
                f"{self.root} has nothing to learn from: all of its {len(self.lengths)} episodes failed"
            )
        return count

    def with_failures(self) -> "Dataset":
        """Dataset from which failed episodes are learned, too, where their own actions are the
        labels."""
        labeled = np.zeros(len(self), bool) if self.chunks is None else self.chunks.index >= 0
        in_episode = np.repeat(np.arange(len(self.lengths)), self.lengths)
        asked = np.isin(in_episode, in_episode[labeled])
        return replace(self, learned=self.learned | ~asked)

    def order(self, seed: int, epoch: int) -> Int[np.ndarray, " w"]:
        """The frames at which the windows of one epoch begin, as they are learned from; the same for the same
        arguments."""
        frames = np.flatnonzero(self.learned)
        return frames[np.random.default_rng([seed, epoch]).permutation(len(frames))]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the names and contents of all files of the dataset, in hexadecimal.

        Raises:
            DatasetError: a file is not what was recorded; this finds damaged videos, too.
        """
        folders = ("meta", "data", "videos", "images")
        paths = [path for folder in folders for path in files_below(self.root, folder)]
        paths.sort()

        def digest(path: Path) -> bytes:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()

        total, found = hashlib.sha256(), {}
        with ThreadPoolExecutor() as pool:
            for path, content in zip(paths, pool.map(digest, paths), strict=True):
                name = path.relative_to(self.root).as_posix()
                total.update(name.encode() + b"\0" + content)
                found[name] = content.hex()
        for name, expected in (self.recording or {}).get("files", {}).items():
            if found.get(name) != expected:
                raise DatasetError(f"{self.root / name} is damaged (its checksum is another): {AGAIN}")
        return total.hexdigest()


def _robot(stored: Any) -> str | None:
    return stored if isinstance(stored, str) and stored not in ("", "unknown") else None


def _learned(
    recording: dict[str, Any] | None,
    frames: dict[str, np.ndarray],
    starts: np.ndarray,
    lengths: np.ndarray,
    chunks: ChunkLabels | None,
) -> Bool[np.ndarray, " n"]:
    """The frames of episodes that succeeded; where an expert was asked for chunks, the frames where it was,
    whatever came of the episode."""
    if chunks is not None:
        return chunks.index >= 0
    listed = (recording or {}).get("episodes", [])
    if len(listed) == len(lengths):
        solved = [bool(episode.get("success", True)) for episode in listed]
    elif schema.SUCCESS in frames:  # rollouts that another program split or merged
        solved = np.logical_or.reduceat(frames[schema.SUCCESS].reshape(-1).astype(bool), starts)
    else:
        return np.ones(int(lengths.sum()), bool)
    return np.repeat(solved, lengths)


def _progress(frames: dict[str, np.ndarray], count: int) -> Float32[np.ndarray, "n 2"]:
    if schema.PROGRESS not in frames or schema.REWARD not in frames:
        return np.full((count, 2), np.nan, np.float32)
    before, reward = (
        frames[name].reshape(count).astype(np.float32) for name in (schema.PROGRESS, schema.REWARD)
    )
    return np.stack([before, before + reward], axis=1)
