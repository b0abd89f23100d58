"""Cloning of own successes: the policy drives, and what succeeds is learned as if it were a demonstration.

Rejection sampling or filtered behavior cloning: the baseline that every use of a reward has to beat. It needs
no expert.
"""

from dataclasses import dataclass
from typing import ClassVar

from ...envs.rollout import RolloutPlan
from ..algorithm import Start
from ..rollout_source import RolloutConfig


@dataclass(frozen=True)
class Config(RolloutConfig):
    """Filtered cloning."""

    rounds: int = 4
    episodes: int = 128
    limit: float = 2.0
    """Length at which an episode is cut off, in mean lengths of the demonstrations."""

    needs_expert: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit <= 0:
            raise ValueError(f"limit must be above 0, got {self.limit}")

    def plan(self, start: Start, task: str) -> RolloutPlan:
        """See the module."""
        longest = max(1, round(self.limit * start.expert_steps(task)))
        return RolloutPlan(max_steps=longest, space=start.dataset.action_space)
