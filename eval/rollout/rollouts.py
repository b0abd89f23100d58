"""Rollouts to learn from: the episodes of a policy, recorded, one trial each.

A trial's record depends on (policy, environment, plan, trial) alone, as the outcome of an evaluation does
(see evaluate.py): not on the number of workers, nor on which trials were played before an interruption.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ...envs.config import EnvConfig
from ...envs.episode import Episode
from ...envs.rollout import RolloutPlan
from ...policies.execution import Execution
from ...policies.policy import Policy
from ..result import EpisodeResult
from .collector import EpisodeCollector
from .evaluate import add_missing, longest_instruction, play, policy_env, split
from .inference import BatchedPolicy, inference_mode
from .recording_lane import RecordedResult
from .worker import Job
from .worker_pool import in_threads, usable_cores, worker_processes

Take = Callable[[EpisodeResult, Episode | None], None]
"""Is given each finished trial at once, from several threads; there is no record if code raised, or if its
process died each time."""


def play_rollouts(
    policy: Policy,
    env: EnvConfig,
    trials: Sequence[int],
    plan: RolloutPlan,
    take: Take,
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
        take: see `Take`. If it raises, the other trials end.
        execution: which actions of the policy's chunks are executed.
        workers: environment processes; one per core by default.
        name: shown at the progress bar.
        progress: whether to show a bar with the success rate so far.

    Raises:
        ValueError: an unknown task, or a policy made for another environment.
        EvaluationError: an environment process cannot start.
    """
    execution = execution or Execution(min(Execution.execution_horizon, policy.spec.chunk))
    execution.check(policy.spec.chunk, policy.spec.action_space)
    env = policy_env(env, policy.spec)
    job = Job(list(sys.path), env, False, False, {}, history=policy.spec.history, rollout=plan)
    count = min(workers or usable_cores(), len(trials))
    jobs = [replace(job, lanes=lanes) for lanes in split(trials, count)]
    longest = longest_instruction(policy, env)
    with (
        EpisodeCollector(name, "test", len(trials), progress) as collector,
        worker_processes(jobs) as (processes, env_spec),
        inference_mode(policy),
    ):
        policy.check_env(env_spec)

        def add(finished: Sequence[EpisodeResult]) -> None:
            for result in finished:
                take(result, result.episode if isinstance(result, RecordedResult) else None)
            collector.add(finished)

        games = [
            partial(
                play,
                process,
                process.receive(),
                BatchedPolicy(policy, False, execution, longest),
                execution,
                add,
            )
            for process in processes
        ]
        in_threads(games, processes)
        add_missing(processes, add, env.task, len(trials))
