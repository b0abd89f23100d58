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

Each environment process has a thread here, and the two alternate: the policy answers for all lanes, then the
process steps them. With one process per core, every core is busy: some environments step while the policy
answers for others.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from ...common.registry import check_name
from ...envs import tasks
from ...envs.config import EnvConfig
from ...envs.language import Wording
from ...envs.perturbation_set import PerturbationSet
from ...policies.execution import Execution, Executor
from ...policies.head import SamplingCounts
from ...policies.policy import Policy
from ...policies.types import UNKNOWN_SPACE, PolicySpec
from ..result import EXPERT, Condition, EpisodeResult, EvalResult, weights_of
from .collector import EpisodeCollector
from .inference import LANES, THREADS, BatchedPolicy, inference_mode, observation_of
from .latency import Latency, measure
from .worker import Job, LaneUpdate, PolicyFailure
from .worker_pool import in_threads, usable_cores, worker_processes
from .worker_process import WorkerProcess

KEEP_EVERY = 30.0
"""Time between two calls of `keep` [s]: a process that is killed loses no more."""


def check_simulated(policy: Policy, name: str) -> None:
    """Whether there is an environment that a policy can act in.

    Raises:
        ValueError: it learned from another program's data; says how else it can be judged.
    """
    if policy.spec.action_space == UNKNOWN_SPACE:
        raise ValueError(
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
        workers: environment processes; one per core by default.
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
        EvaluationError: an environment process cannot start, or several episodes in a row cannot be played.
            One whose process died every time that it was played is "missing" in the result.
    """
    check_name("condition", condition, get_args(Condition))
    if len(seeds) == 0 or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(
            "seeds must be distinct and not negative, and at least one must be given; got "
            f"{_shortened(seeds)}"
        )
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if sentence is not None and condition != "test":
        raise ValueError(
            f"a sentence replaces the instruction under the condition 'test' only, got {condition!r}"
        )
    workers = min(workers or usable_cores(), len(seeds))
    swapped = condition == "swapped_instruction"
    env = EnvConfig(env) if isinstance(env, str) else env
    job = Job(list(sys.path), env, swapped, policy == EXPERT, {}, sentence=sentence)
    if policy == EXPERT:
        # The expert sees the simulator's state: no images are rendered.
        job = replace(job, env=replace(env, cameras=()))
        jobs = [replace(job, lanes={0: list(seeds[worker::workers])}) for worker in range(workers)]
        with (
            EpisodeCollector(name or EXPERT, condition, len(seeds), progress) as collector,
            worker_processes(jobs) as (processes, spec),
        ):
            driven = partial(collector.result, env.task, spec=spec, execution=Execution(1))
            with _keeping(keep, collector, seeds, driven):
                in_threads([partial(_watch, process, collector) for process in processes], processes)
                add_missing(processes, collector.add, env.task, len(seeds))
        return driven(seeds)

    if sampling and isinstance(policy, Policy):
        raise ValueError(f"sampling {sampling!r} is for a policy's folder: load this one with it instead")
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
    job = replace(
        job, env=env, history=asked.spec.history, wait=execution.inference_delay if execution.blocking else 0
    )
    jobs = [replace(job, lanes=lanes) for lanes in split(seeds, workers)]
    label = name or Path(checkpoint).name or "policy"
    longest = longest_instruction(asked, env, sentence)
    with (
        EpisodeCollector(label, condition, len(seeds), progress) as collector,
        worker_processes(jobs) as (processes, spec),
        inference_mode(asked),
    ):
        asked.check_env(spec)
        first = [process.receive() for process in processes]
        with collector.paused():
            latency = _latency(asked, first, longest) if condition == "test" else None
        batches = [BatchedPolicy(asked, condition == "blank_image", execution, longest) for _ in processes]

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

        games = [
            partial(play, process, updates, batch, execution, collector.add)
            for process, updates, batch in zip(processes, first, batches, strict=True)
        ]
        with _keeping(keep, collector, seeds, result):
            in_threads(games, processes)
            add_missing(processes, collector.add, env.task, len(seeds))
    return result(seeds)


@contextmanager
def _keeping(
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


def add_missing(
    processes: Sequence[WorkerProcess],
    add: Callable[[Sequence[EpisodeResult]], None],
    task: str,
    total: int,
) -> None:
    """Takes in the episodes whose process died each time that they were played, and says so."""
    missing = {seed: how for process in processes for seed, how in process.missing.items()}
    if not missing:
        return
    hows = "; ".join(sorted(set(missing.values())))
    print(
        f"{len(missing)} of {total} episodes are missing, seeds {_shortened(sorted(missing))}: each time the "
        f"environment process {hows}. They count as neither success nor failure; `vla eval` plays them again",
        file=sys.stderr,
    )
    stage = tasks.load(task).stages[0]
    add([EpisodeResult(seed, "missing", 0, 0.0, stage, "", how) for seed, how in missing.items()])


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


def split(seeds: Sequence[int], workers: int) -> list[dict[int, list[int]]]:
    """The seeds of each lane of each worker; the seeds of one row are dealt to the workers in turn."""
    rows: dict[int, list[int]] = {}
    for seed in seeds:
        rows.setdefault(seed % LANES, []).append(seed)
    shares = [
        {row: mine[(w + row) % workers :: workers] for row, mine in rows.items()} for w in range(workers)
    ]
    shares = [{row: mine for row, mine in share.items() if mine} for share in shares]
    return [share for share in shares if share]


def play(
    process: WorkerProcess,
    updates: dict[int, LaneUpdate],
    batch: BatchedPolicy,
    execution: Execution,
    add: Callable[[Sequence[EpisodeResult]], None],
) -> None:
    """Asks the policy and acts until all episodes of `process` are over; gives the finished ones to `add`."""
    chunks: dict[int, list[tuple[int, np.ndarray]]] = {}
    executors: dict[int, Executor] = {}
    torch.set_num_threads(THREADS)  # each thread of a process has its own number
    while True:
        finished = [episode for update in updates.values() for episode in update.finished]
        for episode in finished:
            episode.chunks = chunks.pop(episode.seed, [])
            executors.pop(episode.seed, None)
        add(finished)
        waiting = {lane: seen for lane, update in updates.items() if (seen := update.observation) is not None}
        if not waiting:
            return
        for seen in waiting.values():
            if seen.step == 0:  # perhaps again, after its process died
                chunks.pop(seen.seed, None)
                executors.pop(seen.seed, None)
        kept = {lane: executors[s.seed].left() for lane, s in waiting.items() if s.seed in executors}
        left = {lane: chunk for lane, chunk in kept.items() if chunk is not None}
        answers, failures = batch.answers(waiting, left)
        blocks: dict[int, np.ndarray | PolicyFailure] = {**failures}
        for lane, observation in waiting.items():
            if lane in failures:
                continue
            chunks.setdefault(observation.seed, []).append((observation.step, answers[lane]))
            blocks[lane] = executors.setdefault(observation.seed, execution.start()).block(answers[lane])
        process.send(blocks)
        updates = process.receive()


def _watch(process: WorkerProcess, collector: EpisodeCollector) -> None:
    """Lets the expert play."""
    while not process.complete:
        for update in process.receive().values():
            collector.add(update.finished)


def _latency(policy: Policy, first: list[dict[int, LaneUpdate]], instruction_tokens: int) -> Latency | None:
    """Latency, measured while all processes wait for their first actions; None if no episode has started."""
    updates = [update for process in first for update in process.values()]
    observations = [update.observation for update in updates if update.observation is not None]
    if not observations:
        return None
    seen = [observation_of(observation) for observation in observations]
    return measure(policy, seen, instruction_tokens=instruction_tokens)


def _shortened(seeds: Sequence[int]) -> str:
    text = str(seeds if isinstance(seeds, range) else list(seeds))
    return text if len(text) < 80 else f"{text[:76]} ..."
