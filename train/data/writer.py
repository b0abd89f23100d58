"""Writes LeRobotDataset v3.0, episode by episode; a kill loses at most the episode in flight."""

import json
import shutil
from pathlib import Path
from typing import Any

from ...common.files import make_folder
from ...common.versions import DATASET, recorded_versions
from ...envs.episode import Episode
from . import schema
from .card import write_card
from .commit import commit, commit_interrupted, recover
from .files import DatasetError, read_json, read_object, write_sealed
from .parquet import checked_place
from .reading import read_recording
from .schema import FileLimits
from .staging import FOLDER, remove_damaged, remove_staged, stage, stage_failure, staged_seeds

FORMAT = 1
"""Version of meta/vlasandbox.json."""


class DatasetWriter:
    """A dataset in the making at `root`: episodes are staged one by one, `commit` makes them a dataset.

    Whoever opens the same root again with the same settings goes on where it was, also after a commit.
    """

    def __init__(self, root: Path, settings: dict[str, Any], limits: FileLimits | None = None) -> None:
        """
        Args:
            settings: what all episodes have in common (JSON values); other settings need another root.

        Raises:
            DatasetError: `root` holds something else, or episodes recorded with other settings.
        """
        self.root = root
        self._settings = settings
        self._limits = limits or FileLimits()
        check_root(root, settings)
        recover(root)
        make_folder(root / FOLDER)
        remove_damaged(root)
        write_sealed(root / FOLDER / "settings.json", settings)

    @property
    def committed(self) -> list[int]:
        """Seeds of the episodes in the dataset, in order."""
        return [episode["seed"] for episode in self._ours().get("episodes", [])]

    def outcomes(self) -> dict[int, bool]:
        """Every seed tried so far, in order, and whether there is an episode of it."""
        done = dict.fromkeys(self._ours().get("failed_seeds", []), False)
        done |= dict.fromkeys(self.committed, True)
        return dict(sorted((staged_seeds(self.root) | done).items()))

    def add_episode(self, episode: Episode, spec: dict[str, Any]) -> None:
        """Stages `episode`, which came from an environment with this `spec_dict()`."""
        stage(self.root, episode, spec)

    def add_failure(self, seed: int) -> None:
        """Notes that there is no episode of `seed` because the expert failed."""
        stage_failure(self.root, seed)

    def remove(self, seed: int) -> None:
        """Takes away the episode of `seed`, which was not committed yet."""
        remove_staged(self.root, [seed])

    def commit(self, episodes: int | None = None) -> None:
        """Brings the dataset to its first `episodes` episodes in the order of their seeds (all if None).

        Never takes any away. What is staged beyond them stays staged.
        """
        outcomes = self.outcomes()
        kept = [seed for seed, success in outcomes.items() if success][:episodes]
        committed = set(self.committed)
        new = [seed for seed in kept if seed not in committed]
        if new:
            failed = [seed for seed, success in outcomes.items() if not success and seed <= kept[-1]]
            versions = list(self._ours().get("versions", []))
            current = recorded_versions(DATASET, python=True)
            if not versions or versions[-1]["packages"] != current:
                versions.append({"from_episode": len(committed), "packages": current})
            ours = {
                "format": FORMAT,
                "settings": self._settings,
                "versions": versions,
                "failed_seeds": failed,
            }
            commit(self.root, new, ours, self._limits)
        if recorded := self._ours():  # also where a kill came between the two
            write_card(self.root, read_json(self.root / schema.INFO), recorded["spec"])
        # Also what an earlier commit left, if it was killed on its way here.
        remove_staged(self.root, [seed for seed in outcomes if kept and seed <= kept[-1]])
        if not staged_seeds(self.root):
            shutil.rmtree(self.root / FOLDER, ignore_errors=True)

    def _ours(self) -> dict[str, Any]:
        return read_recording(self.root) or {}


def check_root(root: Path, settings: dict[str, Any]) -> None:
    """Refuses a root whose content is not ours to add to; changes nothing.

    Raises:
        DatasetError: see DatasetWriter.
    """
    if root.exists() and not root.is_dir():
        raise DatasetError(f"{root} is not a folder")
    staged = checked_place(root, root / FOLDER) / "settings.json"
    ours = read_recording(root)
    if staged.exists() and staged_seeds(root):
        recorded = read_object(staged, "copy it again, or record into a new folder")
    elif ours:
        recorded = ours["settings"]
    elif root.exists() and any(path.name != FOLDER for path in root.iterdir()):
        raise DatasetError(
            f"{root} is not empty and was not recorded by vlasandbox: record into a new folder"
        )
    else:
        return
    settings = json.loads(json.dumps(settings))  # tuples become lists, as in the file
    different = [
        f"{name} was {recorded.get(name)!r}, now {settings.get(name)!r}"
        for name in sorted(recorded | settings)
        if recorded.get(name) != settings.get(name)
    ]
    if different:
        raise DatasetError(
            f"{root} holds episodes with other settings ({'; '.join(different)}): use a new folder"
        )
    if ours and not commit_interrupted(root):
        episodes = read_json(root / schema.INFO)["total_episodes"]
        if episodes != len(ours["episodes"]):
            raise DatasetError(f"{root} was changed by another program: record into a new folder")
