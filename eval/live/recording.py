"""Recording: what happens in the first scene becomes episodes of a dataset, as long as a person wants it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ...envs.config import EnvConfig
from ...envs.episode import SOURCES, Episode
from .messages import SceneError
from .track import PERSON, Track


@runtime_checkable
class EpisodeStore(Protocol):
    """A dataset that grows by episodes. What `add` has returned from survives whatever happens next."""

    @property
    def folder(self) -> str:
        """Name of the place where the episodes are kept, for people."""
        ...

    @property
    def count(self) -> int:
        """Episodes that are kept there."""
        ...

    def open(self, spec: dict[str, Any]) -> None:
        """Begins to add episodes whose numbers mean this (see `tape.recorded_spec`).

        Raises:
            ValueError: the folder holds something else; one sentence.
        """
        ...

    def check_seed(self, seed: int) -> None:
        """Refuses a scene that must not be recorded.

        Raises:
            ValueError: names the seeds that may.
        """
        ...

    def fresh_seed(self) -> int:
        """A scene of which there is no episode."""
        ...

    def add(self, episode: Episode) -> int:
        """Keeps an episode and returns its number, which replaces its seed.

        Raises:
            ValueError: it could not be written.
        """
        ...

    def replace(self, number: int, episode: Episode) -> None:
        """Keeps an episode in place of that with this number, which was added since `open`.

        Raises:
            ValueError: it could not be written.
        """
        ...

    def discard(self, number: int) -> None:
        """Takes an episode away that was added since `open`."""
        ...

    def close(self) -> None:
        """Makes what was added part of the dataset.

        Raises:
            ValueError: it could not be written; what was added is still kept.
        """
        ...


@dataclass
class Last:
    """The episode that was recorded last, which may still be discarded."""

    number: int
    episode: Episode


class Recording:
    """Recorder of a scene's episodes into a store. To be used in the session's thread alone."""

    def __init__(self, store: EpisodeStore | None, note: Callable[[str], None]) -> None:
        """
        Args:
            store: takes the episodes; None: nothing can be recorded.
            note: is told what people should know.
        """
        self._store, self._note = store, note
        self._spec: dict[str, Any] | None = None
        """See `tape.recorded_spec`; None while nothing is recorded."""
        self.last: Last | None = None

    @property
    def is_on(self) -> bool:
        """Whether what happens is recorded."""
        return self._spec is not None

    @property
    def space(self) -> str | None:
        """Action space to record in; None if nothing is."""
        return None if self._spec is None else self._spec["action_space"]["name"]

    def start(self, track: Track, seed: int) -> int:
        """Records from now on; returns the seed of the scene to record, `seed` if that may be.

        Args:
            track: whose episodes are recorded.
            seed: of the present scene.

        Raises:
            ValueError: there is no store, or it takes no such episodes.
        """
        store = self._open_store()
        if self.is_on:
            raise SceneError("it is recording already")
        assert track.opened is not None
        # A recording has no chunks that "relative" actions could count from.
        space = track.opened.spec["action_space"]["name"].replace("_relative", "_delta")
        spec = track.process.call("record", space)
        try:
            store.open(spec)
        except ValueError:
            track.process.call("record", None)
            raise
        self._spec, self.last = spec, None
        try:
            store.check_seed(seed)
        except ValueError:
            return store.fresh_seed()
        return seed

    def check(self, env: EnvConfig) -> None:
        """Refuses an environment whose episodes would not fit those before.

        Raises:
            SceneError: says what differs.
        """
        if self._spec is None:
            return
        wanted = {"cameras": "cameras", "image_size": "image size", "control_hz": "control rate"}
        for name, said in wanted.items():
            value = getattr(env, name)
            value = list(value) if isinstance(value, tuple) else value
            if value is not None and value != self._spec[name]:
                recorded = self._spec[name]
                raise SceneError(f"{said} would be {value}, but {recorded} is recorded: stop recording first")

    def check_seed(self, seed: int) -> None:
        """Refuses a scene that must not be recorded.

        Raises:
            ValueError: names the seeds that may.
        """
        if self.is_on:
            self._open_store().check_seed(seed)

    def take(self, track: Track) -> None:
        """Keeps what was recorded of a scene since the last time, if anything was.

        Raises:
            ValueError: it could not be written.
        """
        if not self.is_on:
            return
        episode = track.process.call("take")
        if episode is not None:
            self.last = Last(self._open_store().add(episode), episode)

    def discard(self) -> None:
        """Takes the last episode away.

        Raises:
            SceneError: there is none, or it is part of the dataset already.
        """
        last = self._last()
        self._open_store().discard(last.number)
        self.last = None
        self._note("The last episode was discarded.")

    def mark(self, success: bool) -> None:
        """Says of the last episode whether it did what was asked, which a person knows best.

        Raises:
            SceneError: there is none, or it is part of the dataset already.
        """
        last = self._last()
        last.episode.success = success
        last.episode.metadata["about"]["judged_by"] = PERSON
        self._open_store().replace(last.number, last.episode)

    def stop(self, track: Track) -> None:
        """Keeps what was recorded so far, and makes it all part of the dataset.

        Raises:
            ValueError: something could not be written.
        """
        if not self.is_on:
            return
        store = self._open_store()
        try:
            self.take(track)
        finally:
            self._spec = self.last = None
            track.process.tell("record", None)
            store.close()
        self._note(f"{store.folder} holds {store.count} {'episode' if store.count == 1 else 'episodes'}.")

    def state(self) -> dict[str, Any] | None:
        """State of the recording for a page; None if nothing can be recorded."""
        if self._store is None:
            return None
        shown: dict[str, Any] = {"on": self.is_on, "last": None}
        if self.is_on:
            shown |= {"folder": self._store.folder, "episodes": self._store.count}
        if self.last is not None:
            episode = self.last.episode
            assert episode.rollout is not None
            frames = {
                name: int((episode.rollout.source == number).sum()) for number, name in enumerate(SOURCES)
            }
            shown["last"] = {
                "number": self.last.number,
                "instruction": episode.instruction,
                "seconds": round(len(episode) / episode.control_hz, 2),
                "success": bool(episode.success),
                "frames": {name: count for name, count in frames.items() if count},
            }
        return shown

    def _open_store(self) -> EpisodeStore:
        if self._store is None:
            raise SceneError("this page was started without a folder to record into")
        return self._store

    def _last(self) -> Last:
        if self.last is None:
            raise SceneError("there is no episode that could still be changed")
        return self.last
