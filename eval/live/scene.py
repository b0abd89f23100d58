"""Scene: one simulation that a person watches and touches, in a process of its own, without torch.

Between the physics steps of a control step it draws pictures, keeps to the clock, and listens to the pointer.
"""

import io
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from ...envs.config import EnvConfig
from ...envs.episode import SOURCES, Episode
from ...envs.gl import mujoco
from ...envs.language import PLAIN
from ...envs.manipulation_env import ManipulationEnv
from ...envs.sensors import refresh
from ..rollout.lane_observation import LaneObservation
from . import dropped
from .messages import Drive, Ended, Frame, Opened, Paths, SceneError, View
from .pace import Pace
from .spring import Ray, Spring, is_free, is_movable, kick
from .tape import Tape, recorded_spec

RESERVE = dropped.__name__ + "=1"
"""Perturbation that adds the objects which can be dropped."""
JPEG_QUALITY = 85
PERSON_SPEED = 0.6
"""Share of an arm's largest speed at which a person drives it."""
DIRECTIONS = {"left": (0.0, 1.0), "right": (0.0, -1.0), "away": (1.0, 0.0), "near": (-1.0, 0.0)}
"""Direction of a kick from the keyboard, x and y [world]."""


class Scene:
    """One environment, and what a person does to it."""

    def __init__(self, send: Callable[[Frame | Paths], None], listen: Callable[[float], None]) -> None:
        """
        Args:
            send: takes pictures as they are drawn, and paths.
            listen: carries out what has been said meanwhile (see `pull` and others); waits up to so long [s].
        """
        self._send, self._listen = send, listen
        self._env: ManipulationEnv | None = None
        self._config = EnvConfig()
        self._history = 1
        self._sentence: str | None = None
        self._seen: deque[dict[str, Any]] = deque(maxlen=1)
        self._spring: Spring | None = None
        self._velocity: np.ndarray = np.zeros(5)
        self._arm = 0
        self._pace = Pace()
        self._space: str | None = None
        """Action space to record in; None: nothing is recorded."""
        self._tape: Tape | None = None
        self._touches: list[str] = []
        """Touches of the scene by a person since the reset."""
        self._size, self._quality = 480, "shadow"

    @property
    def env(self) -> ManipulationEnv:
        """The environment, once there is one."""
        if self._env is None:
            raise SceneError("the scene has not been opened")
        return self._env

    def open(self, config: EnvConfig, history: int, seed: int, sentence: str | None) -> Opened:
        """Starts the episode of `seed` in the environment of `config`.

        Args:
            config: of the environment.
            history: control steps of which a policy sees the images and the state.
            seed: of the episode.
            sentence: what is asked; the episode's own instruction if None.

        Raises:
            ValueError: an environment that cannot be, or a sentence without words.
        """
        if self._env is None or config != self._config:
            self._replace(config.build(), config)
        self._sentence = sentence
        observation, info = self.env.reset(seed=seed, options=self._options())
        return self._begin(observation, info, history)

    def change(self, config: EnvConfig, history: int) -> Opened:
        """Goes on with the present episode, each thing in its place, in the environment of `config`.

        Raises:
            ValueError: an environment that cannot be; the present one stays.
        """
        before = self.env
        if config == self._config:
            observation, info = before.observe()
        else:
            after = config.build()
            try:
                _, info = before.observe()
                after.reset(seed=info["seed"], options=self._options())
            except Exception:
                after.close()
                raise
            dropped.continue_from(after.model, before.model)
            after.continue_from(before)
            if self._tape is not None:
                self._tape.follow(after)
            self._replace(after, config)
            observation, info = after.observe()
        return self._begin(observation, info, history, goes_on=True)

    def say(self, sentence: str) -> View:
        """Asks for something else from now on."""
        self.env.instruct(sentence)
        self._sentence = sentence
        observation, self._info = self.env.observe()
        self._seen[-1] = observation
        self._ended = ""
        return self._view()

    def step(self, drive: Drive) -> View:
        """One control step.

        Raises:
            ValueError: the action has another shape, or is not finite.
        """
        env = self.env
        self._pace.begin(drive.seconds)
        action = self._action(drive)
        tape = self._begin_row(drive)
        if drive.source == "person":
            env.extra_steps += 1  # the time limit is for policies
        step = env.step_block(action[None], continues=drive.continues)
        observation, reward, terminated, truncated, self._info = step
        if tape is not None:
            tape.act(reward)
        self._seen.append(observation)
        self._seconds += 1 / env.control_hz
        if drive.who != "hold" and (terminated or truncated):
            success = self._info["is_success"]
            self._ended = "success" if success else "timeout" if truncated else "failure"
        return self._view()

    def record(self, space: str | None) -> dict[str, Any] | None:
        """Records what happens from now on, with actions in this space, or nothing any more.

        Returns:
            What the numbers will mean (see `recorded_spec`); None if nothing is recorded.
        """
        if space != self._space:
            self._space, self._tape = space, None
        return None if space is None else recorded_spec(self.env, space)

    def take(self) -> Episode | None:
        """The episode that was recorded since the last time; None if nothing happened."""
        tape, self._tape = self._tape, None
        if tape is None or not len(tape):
            return None
        return tape.episode(self._info["seed"], self._ended == "success", cut_off=not self._ended)

    def paths(self, chunks: Float32[np.ndarray, "n k a"]) -> None:
        """Sends where chunks of actions would lead the first gripper, in the picture."""
        env, lines = self.env, []
        for chunk in chunks:
            points = env.plan(chunk)[:, :3]
            pixels = env.project(np.concatenate([env.goals()[:1, :3], points]), self._camera, 1, 1)
            lines.append([(round(float(x), 4), round(float(y), 4)) for x, y in pixels])
        self._send(Paths(lines))

    def still(self, quality: str | None = None) -> None:
        """Draws the present moment."""
        refresh(self.env.model, self.env.data)
        self._draw(quality or self._quality)

    def settle(self) -> None:
        """Lets a moment pass in which the robot holds still, after a touch while all is paused."""
        for _ in range(3):
            self.step(Drive("hold"))

    def picture(self, size: int, quality: str) -> None:
        """Chooses side [pixels] and quality of the pictures."""
        self._size, self._quality = size, quality

    def pull(self, x: float, y: float) -> None:
        """Takes hold of what is seen at (x, y) in [0, 1]; nothing happens where nothing can be moved."""
        model, data = self.env.model, self.env.data
        if self._spring is None:
            found = Ray.through(model, data, self._camera, x, y).hit(model, data)
            if found is not None and is_movable(model, found[0]):
                self._spring = Spring(model, data, *found)
                self._note("pulled")

    def move(self, x: float, y: float) -> None:
        """Moves the pointer that holds something."""
        if self._spring is not None:
            model, data = self.env.model, self.env.data
            ray = Ray.through(model, data, self._camera, x, y)
            self._spring.target = ray.at_depth(self._spring.target)

    def release(self) -> None:
        """Lets go."""
        if self._spring is not None:
            self._spring.release(self.env.data)
            self._spring = None

    def kick_at(self, x: float, y: float) -> None:
        """Kicks the object that is seen at (x, y) in [0, 1] away from the camera."""
        model, data = self.env.model, self.env.data
        ray = Ray.through(model, data, self._camera, x, y)
        found = ray.hit(model, data)
        if found is not None and is_free(model, found[0]):
            kick(model, data, found[0], ray.direction)
            self._note("kicked")

    def kick_body(self, name: str, direction: str) -> None:
        """Kicks the object called `name` in one of DIRECTIONS."""
        model, data = self.env.model, self.env.data
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name)
        if body >= 0 and is_free(model, body):
            kick(model, data, body, np.array([*DIRECTIONS[direction], 0.0]))
            self._note("kicked")

    def drop(self, x: float, y: float) -> bool:
        """Drops an object above what is seen at (x, y) in [0, 1]; False if there are none left."""
        if RESERVE not in self._config.perturb:
            perturb = ",".join(filter(None, [self._config.perturb, RESERVE]))
            self.change(replace(self._config, perturb=perturb), self._history)
        model, data = self.env.model, self.env.data
        found = Ray.through(model, data, self._camera, x, y).hit(model, data)
        place = np.array([0.5, 0.0]) if found is None else found[1][:2]
        if done := dropped.drop(model, data, np.clip(place, (0.2, -0.4), (0.8, 0.4))):
            self._note("dropped")
        return done

    def drive(self, arm: int, velocity: list[float]) -> None:
        """Moves an arm as a person steers it: x, y, z and yaw as shares of its speed in [-1, 1]; gripper +1
        open, -1 closed, 0 as it is."""
        self._arm, self._velocity = arm, np.array(velocity)

    def close(self) -> None:
        """Frees the OpenGL contexts."""
        if self._env is not None:
            self._env.close()

    @property
    def _camera(self) -> str:
        return self.env.definition.cameras[-1]

    def _options(self) -> dict[str, str] | None:
        return None if self._sentence is None else {"sentence": self._sentence}

    def _replace(self, env: ManipulationEnv, config: EnvConfig) -> None:
        self.close()
        self._env, self._config, self._spring = env, config, None
        env.on_physics = self._between

    def _begin(
        self, observation: dict[str, Any], info: dict[str, Any], history: int, *, goes_on: bool = False
    ) -> Opened:
        env, self._info, self._history = self.env, info, history
        self._expert = env.definition.expert()
        self._seen = deque([observation] * history, maxlen=history)
        if not goes_on:
            self.release()
            self._tape, self._touches = None, []
            self._seconds, self._ended = 0.0, ""
            self._velocity = np.zeros(5)
        rng = np.random.default_rng(0)  # one plain sentence is all that there is to draw
        asked = [env.definition.say(question.asked, PLAIN, rng) for question in env.questions()]
        bodies = [env.model.body(i).name for i in range(env.model.nbody) if is_free(env.model, i)]
        return Opened(
            view=self._view(),
            spec=env.spec_dict(),
            stages=env.definition.stages,
            here=list(dict.fromkeys(asked)),
            bodies=bodies,
        )

    def _begin_row(self, drive: Drive) -> Tape | None:
        """The tape, if this step is recorded."""
        if self._space is None or not drive.source or self._ended:
            return None
        if self._tape is None:
            self._tape = Tape(self.env, self._space, self._seconds, self._touches)
        source = drive.source if drive.source in SOURCES else "policy"
        self._tape.see(self._seen[-1], drive.source, source)
        if self._spring is not None:
            self._tape.touch("pulled")
        return self._tape

    def _note(self, touch: str) -> None:
        if touch not in self._touches:
            self._touches.append(touch)
        if self._tape is not None:
            self._tape.touch(touch)

    def _action(self, drive: Drive) -> Float32[np.ndarray, " a"]:
        env = self.env
        if drive.who == "action":
            assert drive.action is not None
            return drive.action
        if drive.who == "expert":
            if not env.is_scored:
                raise SceneError("the expert does not know what this sentence asks for in this scene")
            return self._expert.act(env)
        reference = env.reference().astype(np.float64)
        command = reference
        if drive.who == "person":
            command = env.command_towards(self._wanted())
        return env.actions.encode(command, reference).astype(np.float32)

    def _wanted(self) -> Float[np.ndarray, "n 5"]:
        goals, arm = self.env.goals(), min(self._arm, len(self.env.world.robots) - 1)
        limits = self.env.actions.arms[arm].limits
        step = PERSON_SPEED / self.env.control_hz
        goals[arm, :3] += self._velocity[:3] * limits.speed * step
        goals[arm, 3] += self._velocity[3] * limits.turn_rate * step
        if self._velocity[4]:
            goals[arm, 4] = self._velocity[4]
        return goals

    def _between(self, share: float) -> None:
        """Called between physics steps."""
        self._listen(0.0)
        if self._spring is not None:
            refresh(self.env.model, self.env.data)
            self._spring.apply(self.env.model, self.env.data)
        if self._pace.is_due(share):
            refresh(self.env.model, self.env.data)
            self._draw(self._quality)
            while (left := self._pace.left()) > 0:
                self._listen(left)

    def _draw(self, quality: str) -> None:
        env = self.env
        pixels = env.render_frame(self._camera, self._size, self._size, quality)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
        spring = None
        if self._spring is not None:
            ends = np.array([self._spring.point(env.data), self._spring.target])
            (a, b), (c, d) = env.project(ends, self._camera, 1, 1).tolist()
            spring = ((a, b), (c, d))
        self._send(Frame(file.getvalue(), self._steps, float(env.data.time), spring))

    @property
    def _steps(self) -> int:
        return round(self._seconds * self.env.control_hz)

    def _view(self) -> View:
        env, info = self.env, self._info
        frames = [seen["pixels"][name] for seen in self._seen for name in env.cameras]
        observation = LaneObservation(
            seed=info["seed"],
            step=self._steps,
            images=np.stack(frames) if frames else np.empty((0, 0, 0, 3), np.uint8),
            state=np.concatenate([seen["agent_pos"] for seen in self._seen]),
            instruction=self._seen[-1]["instruction"],
        )
        ended: Ended = self._ended  # type: ignore[assignment]
        return View(
            observation=observation,
            ended=ended,
            is_success=bool(info["is_success"]),
            is_scored=env.is_scored,
            stage=info["stage"],
            progress=float(info["progress"]),
            seconds=self._seconds,
            grippers=np.array([env.data.site_xpos[arm.site] for arm in env.world.robots]),
        )
