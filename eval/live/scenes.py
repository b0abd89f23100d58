"""Scenes: the one or two scenes of a session, and the settings that they share."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...envs import tasks
from ...envs.config import EnvConfig
from ...policies.execution import Execution
from ..rollout.evaluate import policy_env
from .clip import encode_clip
from .describe import scene_state
from .messages import Frame, Paths, SceneError
from .player import Player
from .publisher import Publisher
from .recording import EpisodeStore, Recording
from .scene_process import SceneProcess
from .track import EXPERT, PERSON, Track


class Scenes:
    """Shown scenes, who moves their robots, and how. To be used in the session's thread alone."""

    def __init__(
        self,
        players: Sequence[Player],
        task: str,
        seed: int,
        publisher: Publisher,
        store: EpisodeStore | None,
    ) -> None:
        """
        Args:
            players: loaded policies; the first one begins, or the expert if there is none.
            task: first task.
            seed: first episode.
            publisher: takes what is to be seen.
            store: takes episodes that are recorded; None: none can be.
        """
        self.players: dict[str, Player] = {player.name: player for player in players}
        self.publisher = publisher
        self.task, self.robot, self.seed = task, "", seed
        self.sentence: str | None = None
        """Sentence of a person; None: the episode's own instruction."""
        self.execution, self.sampling = Execution(), ""
        self.levels: dict[str, int] = {}
        """Perturbations that are on."""
        self.speed, self.quality = 1.0, "shadow"
        self.is_playing = False
        self.shows_heat = False
        self.diverged: float | None = None
        """Simulated time at which two scenes began to differ [s]."""
        self.tracks: list[Track] = []
        self.recording = Recording(store, publisher.note)
        """Recorder of the first scene."""

    @property
    def perturb_text(self) -> str:
        """Perturbations as the environment takes them."""
        return ",".join(f"{name}={level}" for name, level in sorted(self.levels.items()))

    @property
    def have_ended(self) -> bool:
        """Whether the episode has ended in every scene."""
        return all(track.view.ended for track in self.tracks)

    def is_live(self, track: Track) -> bool:
        """Whether something moves in a scene."""
        return track.is_pulled or (self.is_playing and not track.view.ended)

    def begin(self) -> None:
        """Starts the first scene."""
        self.tracks = [self._new_track(next(iter(self.players), EXPERT))]
        self.open()

    def known(self, who: str) -> str:
        """`who`, if there is such a policy, expert or person.

        Raises:
            SceneError: there is not.
        """
        valid = [*self.players, EXPERT, PERSON]
        if who not in valid:
            raise SceneError(f"unknown {who!r}; valid: {', '.join(valid)}")
        return who

    def track(self, number: int) -> Track:
        """A scene.

        Raises:
            SceneError: it is not shown.
        """
        if number >= len(self.tracks):
            raise SceneError("there is no second scene")
        return self.tracks[number]

    def open(self) -> None:
        """Starts the episode of the seed in every scene.

        Raises:
            ValueError: an environment that cannot be, a sentence without words, or an episode that cannot be
                recorded.
        """
        self.recording.check_seed(self.seed)
        self.take()
        self.diverged = None
        for track in self.tracks:
            if track.player is not None and track.player.spec.cameras and self._misfit(track):
                track.who, track.player = EXPERT, None
            config, history = self._config(track)
            if track is self.tracks[0]:
                self.recording.check(config)
            track.process.tell("record", self.recording.space if track is self.tracks[0] else None)
            track.process.tell("picture", self._side, self.quality)
            track.begin(track.process.call("open", config, history, self.seed, self.sentence))
            track.env, track.is_pulled = config, False
            self.ask_anew(track)
            self._forget_predictions(track)
        self._publish_scene()
        self.draw()

    def change(self, track: Track) -> None:
        """Goes on in the middle of the episode with other settings, or with somebody else.

        Raises:
            ValueError: an environment that cannot be, or that does not fit the policy.
        """
        config, history = self._config(track)
        if track is self.tracks[0]:
            self.recording.check(config)
        opened = track.process.call("change", config, history)
        if track.player is not None:
            track.player.check_env(opened.spec)
        track.begin(opened, goes_on=True)
        track.env, track.is_pulled = config, False
        self.ask_anew(track)
        self._forget_predictions(track)
        self._publish_scene()
        self.draw()

    def take(self) -> None:
        """Keeps what was recorded since the last time.

        Raises:
            ValueError: it could not be written.
        """
        if self.tracks:
            self.recording.take(self.tracks[0])

    def record(self) -> None:
        """Records from now on, in a scene that may be recorded.

        Raises:
            ValueError: nothing can be recorded, or not here.
        """
        seed = self.recording.start(self.tracks[0], self.seed)
        if seed != self.seed:
            self.seed, self.sentence = seed, None
            self.open()

    def stop_recording(self) -> None:
        """Makes what was recorded part of its dataset.

        Raises:
            ValueError: something could not be written.
        """
        self.recording.stop(self.tracks[0])

    def show_beside(self, who: str) -> None:
        """Starts the episode again, with a second scene beside the first."""
        self.known(who)
        if len(self.tracks) < 2:
            self.tracks.append(self._new_track(who))
        track = self.tracks[1]
        track.who, track.player = who, self.players.get(who)
        self.open()

    def show_one(self) -> None:
        """Ends the second scene."""
        for track in self.tracks[1:]:
            track.process.close()
        del self.tracks[1:]
        self.diverged = None
        self.publisher.forget(1)

    def ask_anew(self, track: Track) -> None:
        """Forgets what is left of a chunk; the policy is asked at the next step.

        Raises:
            ValueError: the policy cannot be executed so.
        """
        track.pending.clear()
        track.asking = track.executor = None
        if track.player is not None:
            chunk = track.player.spec.chunk
            execution = replace(
                self.execution, execution_horizon=min(self.execution.execution_horizon, chunk)
            )
            track.asking = track.player.begin(execution, self.task, self.sentence)
            track.executor = execution.start()

    def draw(self, quality: str | None = None) -> None:
        """Draws the present moment, in the chosen quality by default."""
        for track in self.tracks:
            track.process.tell("picture", self._side, self.quality)
            track.process.call("still", quality)

    def publish_heat(self, number: int, track: Track) -> None:
        """Publishes where the policy of a scene looks, or nothing if that is not shown."""
        maps = []
        if self.shows_heat and track.player is not None:
            for heat in track.player.heat(track.view.observation):
                maps.append(np.rint(255 * heat / max(float(heat.max()), 1e-9)).astype(int).tolist())
        self.publisher.state(f"heat{number}", {"scene": number, "maps": maps})

    def publish_clips(self) -> None:
        """Publishes a video of the last pictures of every scene."""
        for number, track in enumerate(self.tracks):
            name = f"{self.task}-{self.seed}-{track.who}-{number + 1}.mp4"
            self.publisher.file(name, encode_clip(list(track.frames)))

    def restart(self) -> None:
        """Starts all processes again, at the start of the episode.

        Raises:
            SceneDiedError: one died again.
            ValueError: see `open`.
        """
        for number, track in enumerate(self.tracks):
            track.process.close()
            track.process = self._new_process(number)
        self.open()

    def close(self) -> None:
        """Ends all processes."""
        for track in self.tracks:
            track.process.close()

    def _new_track(self, who: str) -> Track:
        return Track(self._new_process(len(self.tracks)), who, self.players.get(who))

    def _new_process(self, number: int) -> SceneProcess:
        return SceneProcess(lambda frame: self._show(number, frame))

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

    def _forget_predictions(self, track: Track) -> None:
        """Clears predictions and heat maps that no longer hold."""
        number = self.tracks.index(track)
        self.publisher.state(f"paths{number}", {"scene": number, "lines": []})
        self.publish_heat(number, track)

    def _publish_scene(self) -> None:
        opened = self.tracks[0].opened
        if opened is not None:
            self.publisher.state("scene", scene_state(self.task, opened))

    @property
    def _side(self) -> int:
        """Side of a picture [pixels]."""
        return 480 if len(self.tracks) == 1 else 400

    def _config(self, track: Track) -> tuple[EnvConfig, int]:
        """The environment that who moves the robot needs, and the history."""
        env = replace(track.env, task=self.task, robot=self.robot or None, perturb=self.perturb_text)
        if track.player is None:
            return env, 1
        spec = track.player.spec
        return policy_env(env, spec), spec.history

    def _misfit(self, track: Track) -> bool:
        """Whether the policy cannot move this task's robot; says so."""
        assert track.player is not None
        arms = tasks.task_class(self.task).num_arms
        spec = track.player.spec
        fits = set(spec.cameras) <= set(tasks.load(self.task, self.robot or None).cameras) and arms == sum(
            camera.endswith("wrist") for camera in spec.cameras
        )
        if not fits:
            self.publisher.note(f"{track.player.name} was made for another robot; the expert moves this one.")
        return not fits
