"""What several of the programs need."""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vlasandbox.common.files import digests
from vlasandbox.eval.result import EvalResult, ResultError
from vlasandbox.train.data import schema
from vlasandbox.train.data.files import read_json
from vlasandbox.train.data.staging import FOLDER, staged_seeds

from ..processes import ForkedProgram

TASK = "drills.brief"
TIMES = (
    "wall_seconds", "cpu_seconds", "wait_share", "samples_per_second", "rollout_wall_seconds",
    "rollout_cpu_seconds",
)  # fmt: skip
"""Numbers of a training that no two runs have in common."""


def fork_programs() -> None:
    """From now on this process forks the programs that it would start."""
    subprocess.Popen = ForkedProgram


def seeds_in(root: Path) -> set[str]:
    """Seeds of all episodes that a dataset's folder has: recorded, or waiting, or just being committed."""
    found = {seed for seed, success in staged_seeds(root).items() if success}
    for folder in (root, root / FOLDER / "commit"):
        whole = folder == root or (folder / "manifest.json").exists()
        if whole and (folder / schema.OURS).exists():
            found |= {episode["seed"] for episode in read_json(folder / schema.OURS)["episodes"]}
    return {f"seed {seed}" for seed in found}


def files_in(folder: Path) -> dict[str, Any]:
    """Checksums of all files in a folder."""
    return digests(folder)


def names_in(folder: Path, *, but: Iterable[str] = ()) -> dict[str, Any]:
    """Names of all files in a folder, as keys; not those that end like `but`."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: "there" for name in names if not name.endswith(tuple(but))}


def episodes_in(folder: Path) -> dict[str, str]:
    """A checksum of each episode of a stored evaluation, by seed; empty if there is none."""
    try:
        episodes = EvalResult.load(folder).episodes
    except ResultError:
        return {}
    found = {}
    for one in episodes:
        arrays = [one.actions, one.path, *(chunk for _, chunk in one.chunks)]
        numbers = b"".join(np.ascontiguousarray(x).tobytes() for x in arrays if x is not None)
        words = (
            f"{one.outcome} {one.steps} {one.progress} {one.stage} {one.instruction} {one.error} {one.mode}"
        )
        found[f"episode {one.seed}"] = hashlib.sha256(words.encode() + numbers).hexdigest()
    return found
