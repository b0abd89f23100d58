"""Rollout: one recorded episode in which a policy drives, and perhaps an expert labels or takes over.

Who asks for it:
- own successes: the policy drives to the end, its own actions are the labels;
- take-over: the policy drives a few blocks of actions, then the expert to the end. What the expert does is a
  demonstration from where the policy had led; before that, the expert's action is the label of each step
  although another one was executed;
- DAgger (Ross et al., arXiv 1011.0686): the policy drives to the end, and wherever it is asked for a chunk
  the expert is asked too, in a branch of the simulation.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from .control import ActionSpace
from .episode import SOURCES, Episode, RolloutRows
from .expert_chunk import expert_chunk, expert_solves
from .manipulation_env import ManipulationEnv, Step
from .recorder import EpisodeRecorder
from .seeds import scene_of
from .snapshot import Snapshot

EXPERT, POLICY = SOURCES.index("expert"), SOURCES.index("policy")


@dataclass(frozen=True)
class RolloutPlan:
    """Plan for playing and recording episodes."""

    labels: Literal["expert", "executed"] = "executed"
    """Actions recorded while the policy drives: the expert's, or its own."""
    drives: tuple[int, int] | None = None
    """Range of the number of the policy's blocks after which the expert takes over, drawn uniformly, both
    ends included; None for never."""
    patience: int = 0
    """Control steps without progress after which the expert takes over; 0: never for that reason."""
    chunk: int = 0
    """Actions with which the expert would go on, recorded wherever the policy is asked; 0: none."""
    max_steps: int = 0
    """Control steps after which an episode that the policy drives is cut off; 0: by the task's limit only."""
    space: str | None = None
    """Action space to record in; the environment's own if not given."""

    @property
    def needs_expert(self) -> bool:
        """Whether an expert labels or takes over."""
        return self.labels == "expert" or self.drives is not None or self.patience > 0 or self.chunk > 0


class Rollout:
    """The episode of one trial (see `seeds.trial`), from its reset to its record."""

    def __init__(self, env: ManipulationEnv, plan: RolloutPlan, number: int) -> None:
        """
        Args:
            env: has just been reset to the trial's scene.
            number: the trial.
        """
        self._env, self._plan, self._number = env, plan, number
        space = None if plan.space is None else ActionSpace(plan.space, env.actions.arms, env.control_hz)
        self._recorder = EpisodeRecorder(env, space)
        self._expert = env.definition.expert() if plan.needs_expert else None
        self.actions: list[np.ndarray] = []
        """Executed actions, in the environment's action space."""
        self._rows: list[tuple[int, float, int]] = []
        self._rewards: list[float] = []
        self._chunks: list[tuple[np.ndarray, int]] = []
        self._asked: Snapshot | None = None
        """State in which the expert was last asked."""
        seed, attempt = scene_of(number)
        # Another stream than those of the scene, the noise, the wording and the perturbations.
        rng = np.random.default_rng([seed, 4, attempt])
        self._blocks_left = None if plan.drives is None else int(rng.integers(*plan.drives, endpoint=True))
        self._best, self._idle = 0.0, 0

    def __len__(self) -> int:
        return len(self._rewards)

    @property
    def is_cut_off(self) -> bool:
        """Whether the policy has used up the steps that it may drive."""
        return 0 < self._plan.max_steps <= len(self)

    @property
    def expert_is_due(self) -> bool:
        """Whether the expert takes over now."""
        stuck = 0 < self._plan.patience <= self._idle
        return stuck or self._blocks_left == 0

    def ask(self) -> None:
        """Registers a query of the policy; to be called at each one, before its block is executed."""
        if self._blocks_left is not None:
            self._blocks_left -= 1
        if not self._plan.chunk:
            return
        chunk = expert_chunk(self._env, self._plan.chunk)
        steps = 0 if chunk.is_lost else int(chunk.mask.sum())
        self._chunks.append((chunk.commands.astype(np.float32), steps))
        self._asked = self._env.snapshot()

    def step(
        self, observation: dict[str, Any], action: Shaped[np.ndarray, " a"] | None, *, continues: bool = False
    ) -> Step:
        """Executes one control step of the policy's action, or of the expert if there is none; returns what
        `env.step` does.

        Args:
            observation: the present one.
            action: the policy's.
            continues: see `ManipulationEnv.step_block`.
        """
        env = self._env
        self._recorder.see(observation)
        labeled = action is None or self._plan.labels == "expert"
        wanted = env.command_towards(self._expert.wanted(env)) if labeled and self._expert else None
        source = EXPERT if action is None else POLICY
        progress = env.progress()
        self._rows.append((source, progress, env.definition.stages.index(env.stage())))
        if len(self._chunks) < len(self._rows):
            self._chunks.append((_NO_CHUNK, 0))
        if action is None:
            assert wanted is not None
            reference = env.reference().astype(np.float64)
            action = env.actions.encode(wanted, reference).astype(np.float32)
        self.actions.append(action)
        step = env.step_block(action[None], continues=continues)
        executed: Float[np.ndarray, " r"] = env.reference().astype(np.float64)
        command = executed if wanted is None else wanted
        self._recorder.label(command, perturbed=source == POLICY and wanted is not None)
        self._rewards.append(float(step[1]))
        self._idle = 0 if env.progress() > self._best else self._idle + 1
        self._best = max(self._best, env.progress())
        return step

    def episode(self, success: bool) -> Episode:
        """The record of the episode, which has ended. Where a policy got stuck in a state from which the
        expert does not succeed either, the expert's chunks do not count."""
        sources, progress, stages = zip(*self._rows, strict=True)
        rows = RolloutRows(
            source=np.array(sources, np.int64),
            progress=np.array(progress, np.float32),
            reward=np.array(self._rewards, np.float32),
            stage=np.array(stages, np.int64),
        )
        if self._plan.chunk:
            commands, steps = zip(*self._chunks, strict=True)
            empty = np.zeros((self._plan.chunk, len(self._env.reference())), np.float32)
            rows.chunk = np.stack([chunk if chunk.size else empty for chunk in commands])
            rows.chunk_steps = np.array(steps, np.int64)
            if not success and not self._is_solvable():
                rows.chunk_steps[:] = 0
        spec = self._env.spec_dict() | {"action_space": self._recorder.space.to_dict()}
        return self._recorder.episode(self._number, success, rows, {"spec": spec})

    def _is_solvable(self) -> bool:
        """Whether the expert succeeds from the state in which it was last asked."""
        if self._asked is None:
            return False
        self._env.restore(self._asked)
        return expert_solves(self._env)


_NO_CHUNK = np.zeros((0, 0), np.float32)
