"""DAgger with whole chunks: the policy drives, and the expert says what it would do wherever it is asked.

Ross et al., "A reduction of imitation learning and structured prediction to no-regret online learning",
arXiv 1011.0686. The expert's chunk is played out in a branch of the simulation, which is then taken back. It
does not count where the task gets lost on the way, nor does any of an episode that ends where the expert
does not succeed either. Episodes are cut off before the aggregate fills with states where the policy is
stuck.
"""

from dataclasses import dataclass

from ...envs.rollout import RolloutPlan
from ..algorithm import Start
from ..rollout_source import RolloutConfig


@dataclass(frozen=True)
class Config(RolloutConfig):
    """Dataset aggregation."""

    episodes: int = 48
    limit: float = 2.0
    """Length at which an episode is cut off, in mean lengths of the demonstrations."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit <= 0:
            raise ValueError(f"limit must be above 0, got {self.limit}")

    def plan(self, start: Start, task: str) -> RolloutPlan:
        """See the module."""
        longest = max(1, round(self.limit * start.expert_steps(task)))
        return RolloutPlan(
            "expert", chunk=start.policy.spec.chunk, max_steps=longest, space=start.dataset.action_space
        )
