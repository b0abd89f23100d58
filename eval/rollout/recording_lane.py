"""RecordingLane: an environment of a worker process whose episodes are recorded as a plan says."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from ...envs.episode import Episode
from ...envs.rollout import Rollout
from ...envs.seeds import scene_of
from ..result import EpisodeResult, Outcome
from .worker import Lane, LaneUpdate


@dataclass(eq=False)
class RecordedResult(EpisodeResult):
    """The result of one trial, whose number is its `seed`, with its record."""

    episode: Episode | None = None
    """None if code raised."""


class RecordingLane(Lane):
    """Plays trials; the expert labels and takes over as `job.rollout` says."""

    def _reset(self) -> tuple[dict[str, Any], dict[str, Any]]:
        seed, _ = scene_of(self._seed)
        started = self.env.reset(seed=seed, options=self._job.reset_options)
        assert self._job.rollout is not None
        self._rollout = Rollout(self.env, self._job.rollout, self._seed)
        self._actions = self._rollout.actions
        return started

    def begin(self, finished: list[EpisodeResult]) -> LaneUpdate:
        """Starts the next episode in which the policy has a part."""
        update = super().begin(finished)
        while update.observation is not None and self._rollout.expert_is_due:
            update = super().begin([*update.finished, self._guarded(self._hand_over)])
        return update

    def act(self, block: Shaped[np.ndarray, "m a"] | None) -> EpisodeResult | None:
        """Executes the policy's `block`; gives the result if the episode ends, by the expert perhaps."""
        assert block is not None
        return self._guarded(lambda: self._execute(block))

    def _execute(self, block: Shaped[np.ndarray, "m a"]) -> EpisodeResult | None:
        self._rollout.ask()
        for number, action in enumerate(block):
            if result := self._step(action, continues=number > 0):
                return result
        return self._hand_over() if self._rollout.expert_is_due else None

    def _hand_over(self) -> EpisodeResult:
        while True:
            if result := self._step(None):
                return result

    def _step(self, action: np.ndarray | None, *, continues: bool = False) -> EpisodeResult | None:
        step = self._rollout.step(self._seen[-1], action, continues=continues)
        observation, _, terminated, truncated, info = step
        self._path.extend(info["path"])
        self._note(info)
        self._seen.append(observation)
        if terminated or truncated:
            return self._result("success" if info["is_success"] else "timeout" if truncated else "failure")
        cut_off = action is not None and self._rollout.is_cut_off
        return self._result("timeout") if cut_off else None

    def _guarded(self, play: Any) -> Any:
        try:
            return play()
        except Exception as error:
            return self._crash(error)

    def _result(
        self, outcome: Outcome, error: str | None = None, traceback: str | None = None
    ) -> RecordedResult:
        result = super()._result(outcome, error, traceback)
        episode = None if outcome == "error" else self._rollout.episode(outcome == "success")
        return RecordedResult(**vars(result), episode=episode)
