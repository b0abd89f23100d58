"""LiveStore: episodes of the live page as LeRobotDatasets v3.0, one for each task and robot.

An episode is on the disk, whole, when `add` returns. `close` makes all of them part of the dataset; where the
process was killed before that, the next `open` does.
"""

import json
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from ...envs import tasks
from ...envs.episode import Episode
from ...envs.seeds import DEMONSTRATIONS, LIVE, scene_of, trial
from ..data.files import DatasetError, exclusive
from ..data.reading import read_recording
from ..data.staging import FOLDER, staged_seeds
from ..data.writer import DatasetWriter, check_root

_COMMON = ("task", "robot", "control_hz", "image_size", "cameras", "quality", "mujoco")
"""Keys of an environment's spec that all episodes have in common."""


class LiveStore:
    """An `eval.live.recording.EpisodeStore` below one folder."""

    def __init__(self, base: Path) -> None:
        """
        Args:
            base: folder that holds the datasets; it is made when an episode is recorded.
        """
        self._base = base
        self._root = base
        self._writer: DatasetWriter | None = None
        self._held = ExitStack()
        self._known: set[int] = set()

    @property
    def folder(self) -> str:
        """The present dataset."""
        return str(self._root)

    @property
    def count(self) -> int:
        """Episodes of the dataset."""
        return len(self._known)

    def open(self, spec: dict[str, Any]) -> None:
        """Begins to add episodes of an environment with this spec; what a killed process left becomes part
        of the dataset.

        Raises:
            DatasetError: the folder holds something else, or another process writes there.
        """
        root = self._base / _name(spec)
        settings = {
            "source": "live page",
            **{name: spec[name] for name in _COMMON},
            "action_space": spec["action_space"]["name"],
        }
        check_root(root, settings)
        recorded = read_recording(root)
        if recorded and recorded["spec"] != json.loads(json.dumps(spec)):
            raise DatasetError(f"{root} comes from another version of the environment: use a new folder")
        try:
            if staged_seeds(root):
                with exclusive(root / FOLDER, wait=False):
                    DatasetWriter(root, settings).commit()
            with ExitStack() as held:
                held.enter_context(exclusive(root / FOLDER, wait=False))
                self._writer = DatasetWriter(root, settings)
                self._held = held.pop_all()
        except OSError as error:
            raise _cannot_write(root, error) from None
        self._root, self._known = root, set(self._writer.outcomes())

    def check_seed(self, seed: int) -> None:
        """Refuses scenes that judge policies.

        Raises:
            DatasetError: names the seeds that may be recorded.
        """
        if seed not in DEMONSTRATIONS:
            raise DatasetError(
                f"seed {seed} is one of those that judge policies, of which nothing is recorded; "
                f"{LIVE.start} to {LIVE.stop - 1} are for this page"
            )

    def fresh_seed(self) -> int:
        """The first scene of the live page's own that has no episode."""
        seen = {scene_of(number)[0] for number in self._known}
        return next(seed for seed in LIVE if seed not in seen)

    def add(self, episode: Episode) -> int:
        """Writes an episode; the number that it gets is a `seeds.trial` of its scene.

        Raises:
            DatasetError: it could not be written.
        """
        attempt = 0
        while (number := trial(episode.seed, attempt)) in self._known:
            attempt += 1
        episode.seed = number
        self.replace(number, episode)
        self._known.add(number)
        return number

    def replace(self, number: int, episode: Episode) -> None:
        """Writes an episode in place of one.

        Raises:
            DatasetError: it could not be written.
        """
        assert self._writer is not None
        assert episode.seed == number
        try:
            self._writer.add_episode(episode, episode.metadata["spec"])
        except OSError as error:
            raise _cannot_write(self._root, error) from None

    def discard(self, number: int) -> None:
        """Takes an episode away that was added since `open`."""
        assert self._writer is not None
        self._writer.remove(number)
        self._known.discard(number)

    def close(self) -> None:
        """Makes what was added part of the dataset.

        Raises:
            DatasetError: it could not be written; the next `open` does it.
        """
        writer, self._writer = self._writer, None
        with self._held:
            try:
                if writer is not None:
                    writer.commit()
            except OSError as error:
                raise _cannot_write(self._root, error) from None
        with suppress(OSError):  # there is something in it
            self._root.rmdir()


def _name(spec: dict[str, Any]) -> str:
    """Name of the dataset's folder."""
    task = spec["task"].replace(":", ",")
    own = tasks.task_class(spec["task"]).default_robot
    return task if spec["robot"] == own else f"{task}-{spec['robot']}"


def _cannot_write(root: Path, error: OSError) -> DatasetError:
    return DatasetError(
        f"{root}: writing failed ({error.strerror or error}); episodes that were counted are kept"
    )
