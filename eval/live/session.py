"""Session: the thread that carries out commands, asks the policies, and waits for the simulations."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

from . import commands as c
from .advance import advance
from .carry_out import carry_out
from .describe import catalog, command_line, status
from .player import Player
from .publisher import Publisher
from .recording import EpisodeStore
from .scene_process import SceneDiedError
from .scenes import Scenes

DEATHS, DEATHS_SECONDS = 3, 30.0
"""Simulation processes that may die within so long [s] before the robot is stopped."""
IDLE = 0.25
"""Time between looks at whether anybody watches [s]."""


class Session:
    """Scenes, a queue of commands, and the thread that carries them out."""

    def __init__(
        self,
        players: Sequence[Player],
        task: str,
        seed: int,
        publisher: Publisher,
        store: EpisodeStore | None = None,
    ) -> None:
        """
        Args:
            players: loaded policies; the first one begins, or the expert if there is none.
            task: first task.
            seed: first episode.
            publisher: takes what is to be seen.
            store: takes episodes that are recorded; None: none can be.
        """
        self.scenes = Scenes(players, task, seed, publisher, store)
        self.publisher = publisher
        self._commands: queue.Queue[c.Command | None] = queue.Queue()
        self._watched = threading.Event()
        self._deaths: list[float] = []
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def submit(self, command: c.Command) -> None:
        """Queues a command; the pointer and the joystick are not queued, but heard at once."""
        if isinstance(command, c.Move | c.Steer):
            self._tell(command)
        else:
            self._commands.put(command)

    def watched(self, by_anybody: bool) -> None:
        """Says whether anybody watches; the robot waits until somebody does."""
        self._watched.set() if by_anybody else self._watched.clear()

    def close(self) -> None:
        """Ends the thread and the simulation processes; what is recorded becomes part of its dataset."""
        self._commands.put(None)
        self._thread.join(timeout=30)
        self.scenes.close()

    def _tell(self, command: c.Move | c.Steer) -> None:
        tracks = list(self.scenes.tracks)
        if isinstance(command, c.Steer):
            for track in tracks:
                track.process.tell("drive", command.arm, command.velocity)
        elif command.scene < len(tracks):
            tracks[command.scene].process.tell("move", command.x, command.y)

    def _run(self) -> None:
        self.publisher.state("catalog", catalog(self.scenes.players.values()))
        self._guarded(self.scenes.begin)
        while True:
            busy = self._watched.is_set() and any(map(self.scenes.is_live, self.scenes.tracks))
            try:
                command = self._commands.get(block=not busy, timeout=IDLE)
            except queue.Empty:
                if busy:
                    self._guarded(lambda: advance(self.scenes), stops=True)
                continue
            if command is None:
                self._guarded(self.scenes.stop_recording)
                return
            self._guarded(lambda command=command: carry_out(command, self.scenes))

    def _guarded(self, action: Callable[[], None], *, stops: bool = False) -> None:
        """Does something; the robot stops if it cannot be done and `stops`, or if the fault is ours."""
        try:
            action()
        except SceneDiedError as death:
            self._revive(death)
        except ValueError as error:  # SceneError and PolicyError too: the person's mistake
            self.scenes.is_playing &= not stops
            self.publisher.note(str(error), is_error=True)
        except Exception as error:
            self.scenes.is_playing = False
            self.publisher.note(f"{type(error).__name__}: {error}", is_error=True)
        self._publish()

    def _revive(self, death: SceneDiedError) -> None:
        """Starts the simulations again."""
        now = time.monotonic()
        self._deaths = [then for then in self._deaths if now - then < DEATHS_SECONDS] + [now]
        if len(self._deaths) > DEATHS:
            self.scenes.is_playing = False
        self.publisher.note(
            f"The simulation process {death}. It was started again, at the start of the same episode.",
            is_error=True,
        )
        try:
            self.scenes.restart()
        except (SceneDiedError, ValueError) as error:
            self.scenes.is_playing = False
            self.publisher.note(f"It could not be started again: {error}", is_error=True)

    def _publish(self) -> None:
        scenes = self.scenes
        if scenes.tracks and all(track.opened is not None for track in scenes.tracks):
            self.publisher.state("status", status(scenes) | {"command": command_line(scenes)})
