"""Cloning of own successes: the policy drives, and what succeeds is learned as if it were a demonstration.

Rejection sampling or filtered behavior cloning: the baseline that every use of a reward has to beat. It needs
no expert.
"""

from dataclasses import dataclass
from typing import ClassVar

from ...envs.rollout import RolloutPlan
from ..algorithm import Start
from ..rollout_source import CappedRolloutConfig


@dataclass(frozen=True)
class Config(CappedRolloutConfig):
    """Filtered cloning."""

    rounds: int = 4
    episodes: int = 128

    needs_expert: ClassVar[bool] = False

    def plan(self, start: Start, task: str) -> RolloutPlan:
        """Plan in which the policy drives to the end; see the module."""
        return RolloutPlan(max_steps=self.max_steps(start, task), space=start.dataset.action_space)
