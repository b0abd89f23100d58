"""Rollouts to learn from: the episodes of a policy, recorded, one trial each.

A trial's record depends on (policy, environment, plan, trial) alone, as the outcome of an evaluation does
(see evaluate.py): not on the number of workers, nor on which trials were played before an interruption.
"""

from collections.abc import Sequence

from ...envs.config import EnvConfig
from ...envs.episode import Episode
from ...envs.rollout import RolloutPlan
from ...envs.simulation.lane import LaneSettings
from ...envs.simulation.pool import in_threads, usable_cores
from ...policies.execution import Execution
from ...policies.policy import Policy
from ..result import EpisodeResult
from .collector import EpisodeCollector
from .evaluate import longest_instruction, policy_env
from .game import Game, finish_missing, split
from .inference import BatchedPolicy, inference_mode
from .lane_player import Finish, lane_processes


def play_rollouts(
    policy: Policy,
    env: EnvConfig,
    trials: Sequence[int],
    plan: RolloutPlan,
    take: Finish,
    *,
    execution: Execution | None = None,
    workers: int | None = None,
    name: str = "rollouts",
    progress: bool = True,
) -> None:
    """Plays every trial and gives its record to `take`.

    Args:
        policy: drives; its weights stay as they are while it does.
        env: settings of the environment; the policy brings its own robot, commands and views.
        trials: distinct, see `envs.seeds.trial`.
        plan: how they are played and recorded.
        take: is given each finished trial at once, from several threads, and its record; there is none if
            code raised, or if its process died each time. If `take` raises, the other trials end.
        execution: which actions of the policy's chunks are executed.
        workers: simulation processes; one per core by default.
        name: shown at the progress bar.
        progress: whether to show a bar with the success rate so far.

    Raises:
        ValueError: an unknown task, or a policy made for another environment.
        EvaluationError: a simulation process cannot start.
    """
    execution = execution or Execution(min(Execution.execution_horizon, policy.spec.chunk))
    execution.check(policy.spec.chunk, policy.spec.action_space)
    env = policy_env(env, policy.spec)
    lanes = LaneSettings(env, history=policy.spec.history, rollout=plan)
    shares = split(trials, min(workers or usable_cores(), len(trials)))
    longest = longest_instruction(policy, env)
    with (
        EpisodeCollector(name, "test", len(trials), progress) as collector,
        lane_processes(lanes, len(shares)) as (processes, env_spec),
        inference_mode(policy),
    ):
        policy.check_env(env_spec)

        def finish(result: EpisodeResult, record: Episode | None) -> None:
            take(result, record)
            collector.add(result)

        games = [
            Game(process, share, BatchedPolicy(policy, False, execution, longest), execution, finish)
            for process, share in zip(processes, shares, strict=True)
        ]
        in_threads([game.begin for game in games], processes)
        in_threads([game.play for game in games], processes)
        finish_missing([game.player for game in games], finish, env.task, len(trials))
