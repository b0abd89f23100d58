"""Opens a LeRobotDataset v3.0, ours or anyone's, and says clearly what is wrong with it."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int

from . import schema
from .commit import commit_interrupted
from .files import DatasetError, read_json
from .reading import (
    AGAIN,
    VideoRun,
    check_counts,
    check_info,
    check_spec,
    checked_place,
    find_runs,
    frame_matrix,
    read_episodes,
    read_frames,
    read_recording,
    read_tasks,
    verify,
)
from .staging import staged_seeds


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
    starts: Int[np.ndarray, " e"]
    """First frame of each episode."""
    lengths: Int[np.ndarray, " e"]
    """Frames of each episode."""
    tasks: list[str]
    """The distinct instructions."""
    task_index: Int[np.ndarray, " n"]
    """Index into `tasks` for each frame."""
    video_runs: list[VideoRun]
    """Where each episode's pictures are."""
    recording: dict[str, Any] | None
    """Content of meta/vlasandbox.json; None if the dataset is not ours."""

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
                )
            raise DatasetError(f"{root} is not a LeRobotDataset: there is no {schema.INFO}")
        if commit_interrupted(root):
            raise DatasetError(f"{root}: adding episodes was interrupted, run the same `vla record` again")
        info = read_json(checked_place(root, root / schema.INFO))
        check_info(root, info)
        recording = read_recording(root)
        if recording is not None:
            verify(root, recording)
            check_spec(root, info, recording["spec"])
        table = info["features"]
        keys = schema.video_keys(table)
        episodes = read_episodes(root, keys)
        frames = read_frames(root, table)
        starts, lengths = episodes["dataset_from_index"], episodes["length"]
        check_counts(root, info, starts, lengths, frames)
        tasks = read_tasks(root)
        task_index = frames["task_index"]
        if task_index.min() < 0 or task_index.max() >= len(tasks):
            raise DatasetError(f"{root} is inconsistent: task_index goes beyond the {len(tasks)} tasks")
        count = len(task_index)
        uv = frame_matrix(root, frames, schema.TARGET_UV)
        state, action = frame_matrix(root, frames, schema.STATE), frame_matrix(root, frames, schema.ACTION)
        assert state is not None
        assert action is not None
        return Dataset(
            root=root,
            fps=int(info["fps"]),
            cameras=tuple(key.removeprefix(schema.IMAGES) for key in keys),
            image_sizes=tuple(schema.image_size(table[key]) for key in keys),
            state=state,
            action=action,
            reference=frame_matrix(root, frames, schema.REFERENCE),
            command=frame_matrix(root, frames, schema.COMMAND),
            perturbed=frames.get(schema.PERTURBED, np.zeros(count, bool)).astype(bool),
            target_uv=None if uv is None else uv.reshape(count, len(keys), 2),
            target_xyz=frame_matrix(root, frames, schema.TARGET_XYZ),
            starts=starts,
            lengths=lengths,
            tasks=tasks,
            task_index=task_index,
            video_runs=find_runs(root, info, keys, episodes),
            recording=recording,
        )

    def __len__(self) -> int:
        return len(self.state)

    @property
    def spec_dict(self) -> dict[str, Any] | None:
        """The environment's description of itself; None if the dataset is not ours."""
        return None if self.recording is None else self.recording["spec"]

    @property
    def action_space(self) -> str | None:
        """Name of the actions' space in `envs.control`; None if the dataset is not ours."""
        return None if self.spec_dict is None else self.spec_dict["action_space"]["name"]

    def order(self, seed: int, epoch: int) -> Int[np.ndarray, " n"]:
        """The frames as they are learned from in one epoch; the same for the same arguments."""
        return np.random.default_rng([seed, epoch]).permutation(len(self))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the names and contents of all files of the dataset, in hexadecimal.

        Raises:
            DatasetError: a file is not what was recorded; this finds damaged videos, too.
        """
        folders = ("meta", "data", "videos")
        paths = sorted(p for folder in folders for p in (self.root / folder).rglob("*") if p.is_file())

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
