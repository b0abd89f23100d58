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
from ..rollout_source import CappedRolloutConfig


@dataclass(frozen=True)
class Config(CappedRolloutConfig):
    """Dataset aggregation."""

    episodes: int = 48

    def plan(self, start: Start, task: str) -> RolloutPlan:
        """Plan in which the policy drives and the expert labels with whole chunks; see the module."""
        chunk, space = start.policy.spec.chunk, start.dataset.action_space
        return RolloutPlan("expert", chunk=chunk, max_steps=self.max_steps(start, task), space=space)
