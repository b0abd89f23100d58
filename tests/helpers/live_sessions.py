"""A session of the live page that a test commands and watches, without a server."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlasandbox.eval.live import commands as c
from vlasandbox.eval.live.local_player import LocalPlayer
from vlasandbox.eval.live.recording import EpisodeStore
from vlasandbox.eval.live.session import Session

PATIENCE = 120.0
"""Longest wait for anything [s]: machines that test are busy."""


class Watcher:
    """What a session publishes."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        self.pictures: list[tuple[int, dict[str, Any], list[bytes]]] = []
        self.files: list[tuple[str, bytes]] = []
        self.count = 0
        self.changed = threading.Condition()

    def state(self, kind: str, state: dict[str, Any]) -> None:
        with self.changed:
            self.states[kind] = state
            self.count += kind == "status"
            self.changed.notify_all()

    def picture(self, scene: int, header: dict[str, Any], images: list[bytes]) -> None:
        with self.changed:
            self.pictures.append((scene, header, images))
            self.changed.notify_all()

    def forget(self, scene: int) -> None:
        pass

    def note(self, text: str, *, is_error: bool = False) -> None:
        with self.changed:
            self.notes.append(text)
            self.changed.notify_all()

    def file(self, name: str, content: bytes) -> None:
        with self.changed:
            self.files.append((name, content))
            self.changed.notify_all()


class LiveSession:
    """A session that is watched, as fast as it can; use as a context."""

    def __init__(
        self,
        policy: Path | None = None,
        task: str = "pick",
        seed: int = 1_000_000,
        store: EpisodeStore | None = None,
    ) -> None:
        self.watcher = Watcher()
        players = [] if policy is None else [LocalPlayer("policy", policy, task)]
        self.session = Session(players, task, seed, self.watcher, store)
        self.session.scenes.speed = 0.0

    def __enter__(self) -> "LiveSession":
        self.session.start()
        self.session.watched(True)
        self.until(lambda: "status" in self.watcher.states)
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    @property
    def status(self) -> dict[str, Any]:
        return self.watcher.states["status"]

    @property
    def scene(self) -> dict[str, Any]:
        """The first one."""
        return self.status["scenes"][0]

    def do(self, command: c.Command) -> dict[str, Any]:
        """Carries a command out and waits until it has been."""
        before = self.watcher.count
        self.session.submit(command)
        self.until(lambda: self.watcher.count > before)
        return self.status

    def until(self, condition: Callable[[], Any]) -> None:
        """Waits for something that the session publishes."""
        end = time.monotonic() + PATIENCE
        with self.watcher.changed:
            while not condition():
                left = end - time.monotonic()
                assert left > 0, f"it never came; {self.watcher.notes} {self.watcher.states.get('status')}"
                self.watcher.changed.wait(left)

    def play(self) -> dict[str, Any]:
        """Plays until the episode of the first scene has ended; returns that scene."""
        self.session.submit(c.Play())
        self.until(lambda: self.scene["ended"] and not self.status["playing"])
        return self.scene
