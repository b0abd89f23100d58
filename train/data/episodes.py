"""Names of a dataset's episodes, by which they are known again in another dataset."""

import hashlib
from pathlib import Path

import numpy as np

from .dataset import Dataset
from .files import DatasetError, read_object, write_sealed
from .merge import single

FILE = "learned_from.json"
"""Names of the episodes that a run learned from, in its folder."""
AGAIN = "delete it, copy it again, or train again into another folder"


def episode_names(data: Dataset) -> list[set[str]]:
    """Names of each episode: a digest of its states and actions and, if vlasandbox recorded it, its task and
    seed.

    The first stays the same when a program splits or merges datasets, or puts their dimensions in another
    order; the second when the same scene is recorded again.
    """
    found = []
    for part in single(data):
        numbers = np.sort(np.concatenate([part.state, part.action], axis=1), axis=1)
        seeds = [episode["seed"] for episode in (part.recording or {}).get("episodes", [])]
        for i, (start, length) in enumerate(zip(part.starts, part.lengths, strict=True)):
            content = np.ascontiguousarray(numbers[start : start + length]).tobytes()
            names = {hashlib.sha256(content).hexdigest()[:16]}
            if part.spec_dict is not None and len(seeds) == len(part.starts):
                names.add(f"{part.spec_dict['task']} seed {seeds[i]}")
            found.append(names)
    return found


def shared(data: Dataset, names: set[str]) -> list[set[str]]:
    """The `episode_names` of those episodes of `data` that are among `names`."""
    return [known for known in episode_names(data) if known & names]


def write_learned(run: Path, data: Dataset) -> None:
    """Notes in the folder of a run which episodes it learned from."""
    write_sealed(run / FILE, {"episodes": sorted(set().union(*episode_names(data)))})


def read_learned(run: Path) -> set[str] | None:
    """`episode_names` of all that a run learned from; None if it does not say.

    Raises:
        DatasetError: the file is damaged.
    """
    path = run / FILE
    if not path.exists():
        return None
    names = read_object(path, AGAIN).get("episodes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"{path} is damaged (it has no names of episodes): {AGAIN}")
    return set(names)
