"""RecordingLane: an environment of a simulation process whose episodes are recorded as a plan says."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from ..rollout import Rollout
from ..seeds import scene_of
from .lane import Lane, Update


class RecordingLane(Lane):
    """Plays trials; the expert labels and takes over as `LaneSettings.rollout` says."""

    def begin(self, seed: int) -> Update:
        """Starts the trial of number `seed`; it is over if the policy has no part in it."""
        update = super().begin(seed)
        if "episode" in update or not self._rollout.expert_is_due:
            return update
        try:
            return self._hand_over()
        except Exception as error:
            return self._crash(error)

    def _reset(self) -> tuple[dict[str, Any], dict[str, Any]]:
        seed, _ = scene_of(self._seed)
        started = self.env.reset(seed=seed, options=self._settings.options)
        assert self._settings.rollout is not None
        self._rollout = Rollout(self.env, self._settings.rollout, self._seed)
        self._actions = self._rollout.actions
        return started

    def _execute(self, block: Shaped[np.ndarray, "m a"] | None) -> Update | None:
        """Executes the policy's block, and lets the expert take over when it is due."""
        assert block is not None
        self._rollout.ask()
        for number, action in enumerate(block):
            step = self._rollout.step(self._seen[-1], action, continues=number > 0)
            if over := self._take(step) or (self._over("timeout") if self._rollout.is_cut_off else None):
                return over
        return self._hand_over() if self._rollout.expert_is_due else None

    def _hand_over(self) -> Update:
        while True:
            if over := self._take(self._rollout.step(self._seen[-1], None)):
                return over

    def _over(self, outcome: str, error: str | None = None, traceback: str | None = None) -> Update:
        update = super()._over(outcome, error, traceback)
        if outcome != "error":
            update["record"] = self._rollout.episode(outcome == "success").to_message()
        return update
