"""Closed-loop evaluation: runs a policy on a task, one episode per seed.

An outcome depends only on (checkpoint, task, seed). The environment guarantees this for its part; for the
policy, only an episode's own row may enter its arithmetic, in the same order of operations:
- Inference always runs on LANES rows, on THREADS torch threads: other shapes and splits round
  differently, and contacts amplify the difference. Unused rows hold stale observations.
- The episode of seed s always sits in row s % LANES. A vectorized loop may treat its last elements
  differently from the rest, so a row's arithmetic may depend on its position, but not on the contents of
  other rows.
- Every episode draws its noise from its own generator, seeded with its seed.
The number of workers, the episodes that share a batch, and the order of the seeds do not matter.

Each simulation process has a thread here, and the two alternate: the policy answers for all lanes, then the
process steps them. With one process per core, every core is busy: some environments step while the policy
answers for others.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from ...common.errors import InputError
from ...common.registry import check_name
from ...envs import tasks
from ...envs.config import EnvConfig
from ...envs.language import Wording
from ...envs.perturbation_set import PerturbationSet
from ...envs.simulation.lane import LaneSettings
from ...envs.simulation.pool import in_threads, usable_cores
from ...policies.execution import Execution
from ...policies.head import SamplingCounts
from ...policies.policy import Policy
from ...policies.types import UNKNOWN_SPACE, PolicySpec
from ..result import EXPERT, Condition, EvalResult, weights_of
from .collector import EpisodeCollector
from .game import Game, finish_missing, shortened, split
from .inference import LANES, THREADS, BatchedPolicy, inference_mode, observation_of
from .lane_player import LanePlayer, lane_processes
from .latency import Latency, measure

KEEP_EVERY = 30.0
"""Time between two calls of `keep` [s]: a process that is killed loses no more."""


def check_simulated(policy: Policy, name: str) -> None:
    """Checks that there is an environment that a policy can act in.

    Raises:
        ValueError: it learned from another program's data; says how else it can be judged.
    """
    if policy.spec.action_space == UNKNOWN_SPACE:
        raise InputError(
            f"{name} learned from another program's data, and its robot is not simulated here: evaluate it "
            "on demonstrations (vla open-loop RUN DATASET), or serve it to its robot or another simulation "
            "(vla serve RUN)"
        )


def evaluate(
    policy: Policy | Path | str,
    env: EnvConfig | str,
    seeds: Sequence[int],
    *,
    condition: Condition = "test",
    workers: int | None = None,
    execution: Execution | None = None,
    sampling: str = "",
    name: str | None = None,
    sentence: str | None = None,
    progress: bool = True,
    keep: Callable[[EvalResult], None] | None = None,
) -> EvalResult:
    """Runs one episode per seed and returns them in the order of `seeds`.

    Args:
        policy: a policy on any device, the folder of a saved one, or "expert" for the task's scripted expert.
        env: the environment's settings, or only the task's name. A policy brings its own robot, action space,
            control rate, cameras and image size; the expert sees no images.
        seeds: distinct; see `envs.seeds` for which to use.
        condition: "test"; "swapped_instruction" names another object of the scene, while success still
            refers to the original; "blank_image" shows the policy uniform gray. The expert sees neither
            instruction nor images.
        workers: simulation processes; one per core by default.
        execution: how chunks are executed.
        sampling: settings of the head's sampling that replace those of a saved policy, e.g. "steps=5".
        name: shown to people; by default the folder's name.
        sentence: instruction that replaces the episode's own, under the condition "test".
        progress: whether to show a bar with the success rate so far.
        keep: is given the finished episodes every KEEP_EVERY seconds, and when an error or Ctrl-C ends the
            others.

    Raises:
        ValueError: an unknown task or condition, seeds that repeat, a policy made for another environment,
            `sampling` for a policy that is not loaded here, or a sentence under another condition.
        EvaluationError: a simulation process cannot start, or several episodes in a row cannot be played.
            One whose process died every time that it was played is "missing" in the result.
    """
    workers = usable_workers(workers, seeds)
    options = reset_options(condition, sentence)
    env = EnvConfig(env) if isinstance(env, str) else env
    if policy == EXPERT:
        # The expert sees the simulator's state: no images are rendered.
        lanes = LaneSettings(replace(env, cameras=()), options, expert=True)
        with (
            EpisodeCollector(name or EXPERT, condition, len(seeds), progress) as collector,
            lane_processes(lanes, workers) as (processes, spec),
        ):
            driven = partial(collector.result, env.task, spec=spec, execution=Execution(1))
            players = [
                LanePlayer(process, {0: list(seeds[number::workers])}, collector.add)
                for number, process in enumerate(processes)
            ]
            with keeping(keep, collector, seeds, driven):
                in_threads([partial(player.advance, {}) for player in players], processes)
                finish_missing(players, collector.add, env.task, len(seeds))
        return driven(seeds)

    if sampling and isinstance(policy, Policy):
        raise InputError(f"sampling {sampling!r} is for a policy's folder: load this one with it instead")
    execution = execution or Execution()
    checkpoint = "" if isinstance(policy, Policy) else str(policy)
    asked = policy if isinstance(policy, Policy) else Policy.load(Path(policy), sampling=sampling)
    # Before any episode runs, since another training may replace the weights meanwhile.
    weights = weights_of(Path(checkpoint)) if checkpoint else ""
    check_simulated(asked, checkpoint or "the policy")
    execution.check(asked.spec.chunk, asked.spec.action_space)
    if execution.rtc:
        asked.check_guided()
    env = policy_env(env, asked.spec)
    wait = execution.inference_delay if execution.blocking else 0
    lanes = LaneSettings(env, options, history=asked.spec.history, wait=wait)
    shares = split(seeds, workers)
    label = name or Path(checkpoint).name or "policy"
    longest = longest_instruction(asked, env, sentence)
    with (
        EpisodeCollector(label, condition, len(seeds), progress) as collector,
        lane_processes(lanes, len(shares)) as (processes, spec),
        inference_mode(asked),
    ):
        asked.check_env(spec)
        batches = [BatchedPolicy(asked, condition == "blank_image", execution, longest) for _ in processes]
        games = [
            Game(process, share, batch, execution, collector.add)
            for process, share, batch in zip(processes, shares, batches, strict=True)
        ]
        in_threads([game.begin for game in games], processes)
        with collector.paused():
            latency = _latency(asked, games, longest) if condition == "test" else None

        def result(seeds: Sequence[int]) -> EvalResult:
            counts = SamplingCounts()
            for batch in batches:
                counts.add(batch.counts)
            return collector.result(
                env.task,
                seeds,
                spec,
                execution,
                checkpoint=checkpoint,
                lanes=LANES,
                threads=THREADS,
                evaluations=counts.evaluations_per_chunk(asked.head.num_function_evaluations),
                undecodable=counts.undecodable_share,
                weights=weights,
                sampling=sampling,
                device=str(asked.device),
                latency=latency,
            )

        with keeping(keep, collector, seeds, result):
            in_threads([game.play for game in games], processes)
            finish_missing([game.player for game in games], collector.add, env.task, len(seeds))
    return result(seeds)


def usable_workers(workers: int | None, seeds: Sequence[int]) -> int:
    """Number of simulation processes for these episodes, of which `workers` were asked for.

    Raises:
        ValueError: fewer than one, or seeds that repeat, are negative, or none.
    """
    if len(seeds) == 0 or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError(
            f"seeds must be distinct and not negative, and at least one must be given; got {shortened(seeds)}"
        )
    if workers is not None and workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    return min(workers or usable_cores(), len(seeds))


def reset_options(condition: Condition, sentence: str | None = None) -> dict[str, str] | None:
    """Options of every `ManipulationEnv.reset` under a condition.

    Raises:
        ValueError: an unknown condition, or a sentence under another condition than "test".
    """
    check_name("condition", condition, get_args(Condition))
    if sentence is None:
        return {"instruction": "swapped"} if condition == "swapped_instruction" else None
    if condition != "test":
        raise InputError(
            f"a sentence replaces the instruction under the condition 'test' only, got {condition!r}"
        )
    return {"sentence": sentence}


@contextmanager
def keeping(
    keep: Callable[[EvalResult], None] | None,
    collector: EpisodeCollector,
    seeds: Sequence[int],
    result: Callable[[Sequence[int]], EvalResult],
) -> Iterator[None]:
    """Gives the finished episodes to `keep` now and then, and if the block does not end well."""
    if keep is not None:
        collector.keep_every(KEEP_EVERY, lambda finished: keep(result(finished)))
    try:
        yield
    except BaseException:
        if keep is not None and (finished := collector.finished(seeds)):
            keep(result(finished))
        raise


def policy_env(env: EnvConfig, spec: PolicySpec) -> EnvConfig:
    """`env` with the commands and views that a policy was built for, and its robot if `env` names none."""
    return replace(env, **(spec.environment | {"robot": env.robot or spec.robot}))


def longest_instruction(policy: Policy, env: EnvConfig, sentence: str | None = None) -> int:
    """Length of the longest instruction that may be given, in tokens. All are padded to it: a row's
    arithmetic must not depend on the others."""
    if sentence is not None:
        asked = [sentence]
    else:
        ways = PerturbationSet(env.perturb).wordings(Wording.of(env.wording))
        asked = sorted(set().union(*map(tasks.load(env.task).instructions, ways)))
    return max(map(len, policy.trunk.language.tokenize(asked)))


def _latency(policy: Policy, games: Sequence[Game], instruction_tokens: int) -> Latency | None:
    """Latency, measured while all processes wait for their first actions; None if no episode has started."""
    seen = [observation_of(seen) for game in games for seen in game.waiting.values()]
    return measure(policy, seen, instruction_tokens=instruction_tokens) if seen else None
