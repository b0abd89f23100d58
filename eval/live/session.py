"""Session: what a person's commands do to one or two scenes, and what everybody sees of it.

It runs in a thread of its own, which asks the policies and waits for the simulation processes.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ...envs import perturb, robots, tasks
from ...envs.perturbation_set import PerturbationSet
from ...policies.execution import Execution
from . import commands as c
from .clip import encode_clip
from .describe import catalog, command_line, scene_state, status
from .messages import Drive, Frame, Paths, SceneError
from .player import Player
from .scene_process import SceneDiedError, SceneProcess
from .track import EXPERT, PERSON, Track

DIVERGED = 0.01
"""Distance between the grippers of two scenes from which on they differ [m]."""
DEATHS, DEATHS_SECONDS = 3, 30.0
"""Simulation processes that may die within so long [s] before the robot is stopped."""
IDLE = 0.25
"""Time between looks at whether anybody watches [s]."""


@runtime_checkable
class Publisher(Protocol):
    """Where a session sends what is to be seen; may be called from any thread."""

    def state(self, kind: str, state: dict[str, Any]) -> None:
        """A state, which replaces the last one of its kind."""
        ...

    def picture(self, scene: int, header: dict[str, Any], images: list[bytes]) -> None:
        """A picture, which replaces the last one of that scene."""
        ...

    def forget(self, scene: int) -> None:
        """A scene is gone."""
        ...

    def note(self, text: str, *, is_error: bool = False) -> None:
        """A sentence for people."""
        ...

    def file(self, name: str, content: bytes) -> None:
        """A file that was asked for."""
        ...


class Session:
    """Scenes, players, and a queue of commands."""

    def __init__(self, players: list[Player], task: str, seed: int, publisher: Publisher) -> None:
        """
        Args:
            players: loaded policies; the first one begins, or the expert if there is none.
            task: first task.
            seed: first episode.
            publisher: takes what is to be seen.
        """
        self.players = {player.name: player for player in players}
        self.publisher = publisher
        self.task, self.robot, self.seed = task, "", seed
        self.sentence: str | None = None
        self.execution, self.sampling = Execution(), ""
        self.levels: dict[str, int] = {}
        self.speed, self.quality = 1.0, "shadow"
        self.is_playing = False
        self.shows_heat = False
        self.diverged: float | None = None
        """Simulated time at which two scenes began to differ [s]."""
        self.tracks: list[Track] = []
        self._first = players[0].name if players else EXPERT
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
        """Ends the thread and the simulation processes."""
        self._commands.put(None)
        self._thread.join(timeout=30)
        for track in self.tracks:
            track.process.close()

    def _tell(self, command: c.Move | c.Steer) -> None:
        if isinstance(command, c.Steer):
            for track in list(self.tracks):
                track.process.tell("drive", command.arm, command.velocity)
        elif command.scene < len(self.tracks):
            self.tracks[command.scene].process.tell("move", command.x, command.y)

    def _run(self) -> None:
        self.publisher.state("catalog", catalog(self.players.values()))
        self._guarded(self._begin)
        while True:
            busy = self._watched.is_set() and any(self._is_live(track) for track in self.tracks)
            try:
                command = self._commands.get(block=not busy, timeout=IDLE)
            except queue.Empty:
                command = None
                if not busy:
                    continue
            else:
                if command is None:
                    return
            if command is not None:
                self._guarded(lambda command=command: self._carry_out(command))
            else:
                self._guarded(self._advance)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except SceneDiedError as death:
            self._revive(death)
        except ValueError as error:  # SceneError and PolicyError too: the person's mistake
            self.publisher.note(str(error), is_error=True)
        except Exception as error:
            self.is_playing = False
            self.publisher.note(f"{type(error).__name__}: {error}", is_error=True)
        self._publish()

    def _begin(self) -> None:
        self.tracks = [self._new_track(self._first)]
        self._open()

    def _new_track(self, who: str) -> Track:
        number = len(self.tracks)
        return Track(SceneProcess(lambda frame: self._show(number, frame)), who, self.players.get(who))

    def _carry_out(self, command: c.Command) -> None:
        handler = getattr(self, f"_on_{type(command).__name__.lower()}")
        handler(command)

    def _on_play(self, command: c.Play) -> None:
        if all(track.view.ended for track in self.tracks):
            self._open()
        self.is_playing = True

    def _on_pause(self, command: c.Pause) -> None:
        self.is_playing = False
        self._still("pretty")

    def _on_step(self, command: c.Step) -> None:
        self.is_playing = True
        self._advance()
        self._on_pause(c.Pause())

    def _on_reset(self, command: c.Reset) -> None:
        if command.seed is not None and command.seed != self.seed:
            self.seed, self.sentence = command.seed, None
        self._open()

    def _on_scenery(self, command: c.Scenery) -> None:
        task = tasks.check(command.task)
        if command.robot:
            robots.load(command.robot)
        before = self.task, self.robot, self.sentence
        self.task, self.robot, self.sentence = task, command.robot, None
        try:
            self._open()
        except ValueError:
            self.task, self.robot, self.sentence = before
            raise

    def _on_who(self, command: c.Who) -> None:
        track = self._track(command.scene)
        before = track.who, track.player, track.asking, track.executor
        track.who, track.player = self._known(command.name), self.players.get(command.name)
        try:
            self._change(track)
        except ValueError:
            track.who, track.player, track.asking, track.executor = before
            raise
        track.is_touched = track.is_touched or track.steps > 0

    def _on_beside(self, command: c.Beside) -> None:
        if not command.name:
            for track in self.tracks[1:]:
                track.process.close()
            del self.tracks[1:]
            self.publisher.forget(1)
        else:
            self._known(command.name)
            if len(self.tracks) < 2:
                self.tracks.append(self._new_track(command.name))
            track = self.tracks[1]
            track.who, track.player = command.name, self.players.get(command.name)
            self._open()

    def _on_say(self, command: c.Say) -> None:
        if not command.text.strip():
            self.sentence = None
            self._open()
            return
        self.sentence = command.text
        for track in self.tracks:
            track.view = track.process.call("say", command.text)
            track.is_touched = track.is_touched or track.steps > 0
            self._ask_anew(track)

    def _on_speed(self, command: c.Speed) -> None:
        self.speed = command.value

    def _on_execute(self, command: c.Execute) -> None:
        asked = Execution(command.execute, command.delay, command.wait, command.guided, command.ensemble)
        before, self.execution = self.execution, asked
        try:
            for track in self.tracks:
                self._ask_anew(track)
        except ValueError:
            self.execution = before
            for track in self.tracks:
                self._ask_anew(track)
            raise

    def _on_sampling(self, command: c.Sampling) -> None:
        for player in {track.player for track in self.tracks if track.player is not None}:
            player.resample(command.text)
        self.sampling = command.text
        for track in self.tracks:
            self._ask_anew(track)

    def _on_perturb(self, command: c.Perturb) -> None:
        before, self.levels = self.levels, {k: v for k, v in command.levels.items() if v}
        try:
            for name in self.levels:
                if name not in perturb.names():
                    raise SceneError(f"unknown perturbation {name!r}; valid: {', '.join(perturb.names())}")
            PerturbationSet(self.perturb_text)
            for track in self.tracks:
                self._change(track)
                track.is_touched = track.is_touched or track.steps > 0
        except ValueError:
            self.levels = before
            raise

    def _on_picture(self, command: c.Picture) -> None:
        if command.quality not in ("fast", "shadow", "pretty"):
            raise SceneError(f"unknown quality {command.quality!r}; valid: fast, shadow, pretty")
        self.quality = command.quality
        self._still(None)

    def _on_show(self, command: c.Show) -> None:
        self.shows_heat = command.heat
        for number, track in enumerate(self.tracks):
            self._publish_heat(number, track)

    def _on_pull(self, command: c.Pull) -> None:
        track = self._track(command.scene)
        track.process.call("pull", command.x, command.y)
        track.is_pulled = track.is_touched = True

    def _on_release(self, command: c.Release) -> None:
        track = self._track(command.scene)
        track.process.call("release")
        track.is_pulled = False

    def _on_kick(self, command: c.Kick) -> None:
        self._touch(command.scene, "kick_at", command.x, command.y)

    def _on_nudge(self, command: c.Nudge) -> None:
        self._touch(command.scene, "kick_body", command.body, command.direction)

    def _on_drop(self, command: c.Drop) -> None:
        if not self._touch(command.scene, "drop", command.x, command.y):
            raise SceneError("nothing is left to drop; a reset brings it back")

    def _on_clip(self, command: c.Clip) -> None:
        self._still(None)
        for number, track in enumerate(self.tracks):
            name = f"{self.task}-{self.seed}-{track.who}-{number + 1}.mp4"
            self.publisher.file(name, encode_clip(list(track.frames)))

    def _touch(self, scene: int, method: str, *arguments: Any) -> Any:
        track = self._track(scene)
        track.is_touched = True
        done = track.process.call(method, *arguments)
        if not self.is_playing:
            track.process.call("settle")
            self._still(None)
        return done

    @property
    def perturb_text(self) -> str:
        """Perturbations as the environment takes them."""
        return ",".join(f"{name}={level}" for name, level in sorted(self.levels.items()))

    @property
    def _side(self) -> int:
        """Side of a picture [pixels]."""
        return 480 if len(self.tracks) == 1 else 400

    def _known(self, who: str) -> str:
        valid = [*self.players, EXPERT, PERSON]
        if who not in valid:
            raise SceneError(f"unknown {who!r}; valid: {', '.join(valid)}")
        return who

    def _track(self, number: int) -> Track:
        if number >= len(self.tracks):
            raise SceneError("there is no second scene")
        return self.tracks[number]

    def _config(self, track: Track) -> tuple[dict[str, Any], int]:
        """Keywords of the environment that who moves the robot needs, and the history."""
        config: dict[str, Any] = {
            "task": self.task,
            "robot": self.robot or None,
            "perturb": self.perturb_text,
        }
        if track.player is None:
            kept = ("action_space", "control_hz", "cameras", "image_size")
            return config | {key: track.config[key] for key in kept if key in track.config}, 1
        spec = track.player.policy.spec
        return config | spec.environment | {"robot": self.robot or spec.robot}, spec.history

    def _open(self) -> None:
        """Starts the episode of the seed in every scene."""
        self.diverged = None
        for track in self.tracks:
            if track.player is not None and track.player.policy.spec.cameras and self._misfit(track):
                track.who, track.player = EXPERT, None
            config, history = self._config(track)
            track.process.tell("picture", self._side, self.quality)
            track.begin(track.process.call("open", config, history, self.seed, self.sentence))
            track.config, track.is_pulled = config, False
            self._ask_anew(track)
        self._publish_scene()
        self._still(None)

    def _misfit(self, track: Track) -> bool:
        """Whether the policy cannot move this task's robot; says so."""
        assert track.player is not None
        arms = tasks.task_class(self.task).num_arms
        spec = track.player.policy.spec
        fits = set(spec.cameras) <= set(tasks.load(self.task, self.robot or None).cameras) and arms == sum(
            camera.endswith("wrist") for camera in spec.cameras
        )
        if not fits:
            self.publisher.note(f"{track.player.name} was made for another robot; the expert moves this one.")
        return not fits

    def _change(self, track: Track) -> None:
        """Goes on in the middle of the episode for other settings or another who."""
        config, history = self._config(track)
        opened = track.process.call("change", config, history)
        if track.player is not None:
            track.player.policy.check_env(opened.spec)
        track.begin(opened, goes_on=True)
        track.config, track.is_pulled = config, False
        self._ask_anew(track)
        self._publish_scene()
        self._still(None)

    def _ask_anew(self, track: Track) -> None:
        """Forgets what is left of a chunk; the policy is asked at the next step."""
        track.pending.clear()
        track.asking = track.executor = None
        if track.player is not None:
            chunk = track.player.policy.spec.chunk
            execution = replace(self.execution, execute=min(self.execution.execute, chunk))
            track.asking = track.player.begin(execution, self.task, self.sentence)
            track.executor = execution.start()

    def _is_live(self, track: Track) -> bool:
        return track.is_pulled or (self.is_playing and not track.view.ended)

    def _advance(self) -> None:
        """One control step of every scene that moves."""
        waiting: dict[Any, Track] = {}
        for number, track in enumerate(self.tracks):
            if not self._is_live(track):
                continue
            assert track.opened is not None
            seconds = 1 / (track.opened.spec["control_hz"] * self.speed) if self.speed else 0.0
            acts = self.is_playing and not track.view.ended
            if acts and track.asking is not None and not track.pending:
                self._ask(number, track)
            drive = track.next_drive(seconds) if acts else Drive("hold", seconds=seconds)
            track.steps += acts
            track.process.start("step", drive)
            waiting[track.process.connection] = track
        refused: SceneError | None = None
        while waiting:
            for connection in wait(list(waiting)):
                track = waiting[connection]
                try:
                    done, result = track.process.receive()
                except SceneError as error:
                    done, result, refused = True, track.view, error
                if done:
                    track.view = result
                    del waiting[connection]
        if refused is not None:
            self.is_playing = False
            raise refused
        self._compare()
        if self.is_playing and all(track.view.ended for track in self.tracks):
            self.is_playing = False
            self._still("pretty")

    def _ask(self, number: int, track: Track) -> None:
        assert track.asking is not None and track.executor is not None  # noqa: PT018
        seen = track.view.observation
        answer = track.asking.ask(seen, track.executor.left())
        block = track.executor.block(answer.chunk)
        if self.execution.wait and track.steps:
            track.pending.extend([(None, False)] * self.execution.delay)
        track.pending.extend((action, i > 0) for i, action in enumerate(block))
        track.process.tell("paths", np.concatenate([answer.chunk[None], answer.fan]))
        if self.shows_heat:
            self._publish_heat(number, track)

    def _publish_heat(self, number: int, track: Track) -> None:
        maps = []
        if self.shows_heat and track.player is not None:
            for heat in track.player.heat(track.view.observation):
                maps.append(np.rint(255 * heat / max(float(heat.max()), 1e-9)).astype(int).tolist())
        self.publisher.state(f"heat{number}", {"scene": number, "maps": maps})

    def _compare(self) -> None:
        """Marks when two scenes of one seed begin to differ."""
        if len(self.tracks) == 2 and self.diverged is None:
            a, b = (track.view for track in self.tracks)
            if a.grippers.shape == b.grippers.shape and abs(a.seconds - b.seconds) < 1e-6:
                if float(np.linalg.norm(a.grippers - b.grippers, axis=1).max()) > DIVERGED:
                    self.diverged = a.seconds

    def _still(self, quality: str | None) -> None:
        for track in self.tracks:
            track.process.tell("picture", self._side, self.quality)
            track.process.call("still", quality)

    def _show(self, number: int, frame: Frame | Paths) -> None:
        """A picture has come, or paths to draw over it."""
        if isinstance(frame, Paths):
            self.publisher.state(f"paths{number}", {"scene": number, "lines": frame.lines})
            return
        if number >= len(self.tracks) or self.tracks[number].opened is None:
            return
        track = self.tracks[number]
        track.keep(frame)
        header = {"seconds": round(frame.seconds, 3), "spring": frame.spring, "cameras": track.camera_names}
        self.publisher.picture(number, header, [frame.jpeg, *track.cameras])

    def _revive(self, death: SceneDiedError) -> None:
        """Starts the scenes again whose process is gone."""
        now = time.monotonic()
        self._deaths = [then for then in self._deaths if now - then < DEATHS_SECONDS] + [now]
        if len(self._deaths) > DEATHS:
            self.is_playing = False
        self.publisher.note(
            f"The simulation process {death}. It was started again, at the start of the same episode.",
            is_error=True,
        )
        for number, track in enumerate(self.tracks):
            track.process.close()
            track.process = SceneProcess(lambda frame, number=number: self._show(number, frame))
        try:
            self._open()
        except (SceneDiedError, ValueError) as error:
            self.is_playing = False
            self.publisher.note(f"It could not be started again: {error}", is_error=True)

    def _publish_scene(self) -> None:
        opened = self.tracks[0].opened
        if opened is not None:
            self.publisher.state("scene", scene_state(self.task, opened))

    def _publish(self) -> None:
        if self.tracks and all(track.opened is not None for track in self.tracks):
            self.publisher.state("status", status(self) | {"command": command_line(self)})
