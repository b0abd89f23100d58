"""Tape: the rows of one episode while it is played, whoever moves the robot, whatever is done to it."""

from typing import Any

import numpy as np

from ...envs.control import ActionSpace
from ...envs.episode import SOURCES, Episode, RolloutRows
from ...envs.gl import mujoco
from ...envs.manipulation_env import ManipulationEnv
from ...envs.recorder import EpisodeRecorder
from ...envs.sensors import STATE_KIND
from . import dropped


def recorded_spec(env: ManipulationEnv, space: str) -> dict[str, Any]:
    """Meaning of a recording's numbers: `spec_dict` of the nominal environment with this action space."""
    stored = ActionSpace(space, env.actions.arms, env.control_hz)
    return env.spec_dict() | {"action_space": stored.to_dict(), "perturb": ""}


class Tape:
    """Records from the present moment of an episode on; time in which the robot is paused is left out."""

    def __init__(self, env: ManipulationEnv, space: str, seconds: float, touches: list[str]) -> None:
        """
        Args:
            env: what is recorded.
            space: action space to store the actions in, not a "relative" one.
            seconds: simulated since the reset [s].
            touches: what a person did to the scene since then.
        """
        self._env = env
        self._recorder = EpisodeRecorder(env, ActionSpace(space, env.actions.arms, env.control_hz))
        self._rows: list[tuple[int, float, int]] = []
        self._rewards: list[float] = []
        self._disturbed: set[int] = set()
        self._touches, self._begins = list(touches), seconds
        self._drove: list[str] = []

    def __len__(self) -> int:
        return len(self._rewards)

    def follow(self, env: ManipulationEnv) -> None:
        """Goes on in another environment, which continues the same episode."""
        if _perturbations(env) != _perturbations(self._env):
            self.touch("perturbed")
        self._env = env
        self._recorder.follow(env)

    def touch(self, how: str) -> None:
        """Notes that a person changed something, which no action in flight or before it could foresee."""
        if self._rows:
            self._disturbed.add(len(self._rows) - 1)
        if how not in self._touches:
            self._touches.append(how)

    def see(self, observation: dict[str, Any], name: str, source: str) -> None:
        """Begins a row: what is seen before the next action.

        Args:
            observation: the present one.
            name: who acts: a policy's name, or the source.
            source: one of `envs.episode.SOURCES`.
        """
        env = self._env
        self._recorder.see(observation)
        del self._rows[len(self) :]
        self._rows.append((SOURCES.index(source), env.progress(), env.definition.stages.index(env.stage())))
        if name not in self._drove:
            self._drove.append(name)

    def act(self, reward: float) -> None:
        """Completes the row: its label is the command that is now in force."""
        self._recorder.label(self._env.reference().astype(np.float64), perturbed=False)
        self._rewards.append(reward)

    def episode(self, seed: int, success: bool, *, cut_off: bool) -> Episode:
        """The record. Its `metadata["spec"]` is `recorded_spec`, and `metadata["about"]` says who drove, what
        was done to the scene, when the recording began [s] and whether it ended before the episode did.

        Args:
            seed: of the scene.
            success: whether the instruction was carried out.
            cut_off: whether the recording ended before the episode did.
        """
        env, rows = self._env, self._rows[: len(self)]
        sources, progress, stages = zip(*rows, strict=True)
        about: dict[str, Any] = {"drove": self._drove}
        if self._touches:
            about["touched"] = self._touches
        if perturb := _perturbations(env):
            about["perturb"] = perturb
        if self._begins:
            about["begins"] = round(self._begins, 3)
        if cut_off:
            about["cut_off"] = True
        episode = self._recorder.episode(
            seed,
            success,
            RolloutRows(
                source=np.array(sources, np.int64),
                progress=np.array(progress, np.float32),
                reward=np.array(self._rewards, np.float32),
                stage=np.array(stages, np.int64),
            ),
            {"spec": recorded_spec(env, self._recorder.space.name), "about": about},
        )
        episode.perturbed = np.isin(np.arange(len(self)), sorted(self._disturbed))
        size = mujoco.mj_stateSize(env.definition.build().compile(), STATE_KIND)
        if len(episode.initial_state) != size:
            # Of a scene with more in it: a nominal episode cannot be started from there.
            episode.initial_state = np.full(size, np.nan)
        return episode


def _perturbations(env: ManipulationEnv) -> str:
    """Perturbations that a person switched on."""
    parts = env.perturbation.text.split(",")
    return ",".join(part for part in parts if not part.startswith(dropped.__name__))
