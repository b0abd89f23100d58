"""The policy drives for a moment, then the expert to the end: demonstrations from where the policy leads.

Cheaper than DAgger, since every step of the expert is a window and none is taken back, and each episode is a
new scene. While the policy drives, the expert's action is the label of each single step. Episodes that the
expert cannot save are left out.
"""

from dataclasses import dataclass

from ...common.errors import InputError
from ...envs.rollout import RolloutPlan
from ..algorithm import Start
from ..rollout_source import RolloutConfig


@dataclass(frozen=True)
class Config(RolloutConfig):
    """Expert take-over."""

    longest: int = 5
    """Maximum number of blocks of actions that the policy executes before the expert takes over; the number
    is drawn uniformly from 0."""
    patience: int = 0
    """Control steps without progress after which the expert takes over, instead of a drawn number of blocks;
    0 draws."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.longest < 0 or self.patience < 0:
            raise InputError(
                f"longest and patience must not be negative, got {self.longest} and {self.patience}"
            )

    def plan(self, start: Start, task: str) -> RolloutPlan:
        """Plan in which the policy drives first and the expert to the end; see the module."""
        space = start.dataset.action_space
        if self.patience:
            return RolloutPlan("expert", patience=self.patience, space=space)
        return RolloutPlan("expert", drives=(0, self.longest), space=space)
