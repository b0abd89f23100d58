"""Closed-loop evaluation: a policy, a task, a list of seeds -> one outcome per seed.

An outcome depends on (checkpoint, task, seed) alone. The environment does so by itself; for the policy it takes
that nothing but its own row ever enters an episode's arithmetic, in the same order of operations:
- Inference always runs on LANES rows, with THREADS torch threads: other shapes and other splits round differently,
  and contacts amplify the difference. Rows that nobody needs hold an old or a repeated observation.
- The episode of seed s always sits in row s % LANES. A vectorised loop may treat its last elements in another
  way than the rest, so a row's arithmetic may depend on where it is, though not on what the others hold.
- Every episode draws its noise from its own generator, seeded with its seed.
A lane plays its episodes one after the other. Which lanes share a batch, the number of workers, and the order of the
seeds may therefore be anything.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from ..envs.names import check_name
from ..policies.execution import RecedingHorizon
from ..policies.policy import Policy
from ..policies.types import Observation
from .latency import Latency, measure
from .pool import Pool, pool, usable_cores
from .result import Condition, EvalResult
from .tally import Tally
from .worker import Job, Sight

LANES = 16
"""Rows of every batch."""
THREADS = 2
"""torch threads during inference on a CPU, whatever the machine has."""
BLANK = 128
"""Grey level of a blank image: the middle of the range, which policies see as 0."""
EXPERT = "expert"


def evaluate(
    policy: Policy | Path | str,
    task: str,
    seeds: Sequence[int],
    *,
    condition: Condition = "test",
    workers: int | None = None,
    execute: int = 4,
    image_size: int = 96,
    name: str | None = None,
    progress: bool = True,
) -> EvalResult:
    """Plays one episode per seed and returns them in the order of `seeds`.

    Args:
        policy: a policy, the folder of a saved one, or "expert" for the task's scripted expert.
        task: one of `envs.task_names()`, or the dotted name of a module with a task.
        seeds: distinct; see `envs.seeds` for which to use.
        condition: "test"; "swapped_instruction" names another object of the scene, while success stays about the
            original; "blank_image" shows the policy uniform grey.
        workers: environment processes; one per core by default.
        execute: actions executed of each chunk before the policy is asked again.
        image_size: of the environment's images [pixels]; the policy resizes them to its own.
        name: shown to people; by default the folder's name.
        progress: whether to show a bar with the success rate so far.

    Raises:
        ValueError: an unknown task or condition, seeds that repeat, a policy made for another environment.
        EvaluationError: an environment process could not start.
    """
    check_name("condition", condition, get_args(Condition))
    if len(seeds) == 0 or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds must be distinct, at least 0, and at least one of them, got {_shorten(seeds)}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    horizon = RecedingHorizon(execute)
    workers = min(workers or usable_cores(), LANES, len(seeds))
    swapped = condition == "swapped_instruction"

    if policy == EXPERT:
        lanes = {worker: list(seeds[worker::workers]) for worker in range(workers)}
        # It sees the simulator's state: no images need to be drawn.
        job = Job(list(sys.path), task, {"cameras": ()}, swapped, True, lanes)
        with Tally(name or EXPERT, condition, len(seeds), progress) as tally, pool(job, workers) as environments:
            while not tally.complete:
                for turn in environments.receive().values():
                    tally.add(turn.finished)
        return tally.result(task, seeds, environments.spec, execute=1)

    checkpoint = "" if isinstance(policy, Policy) else str(policy)
    policy = policy if isinstance(policy, Policy) else Policy.load(Path(policy))
    lanes: dict[int, list[int]] = {}
    for seed in seeds:
        lanes.setdefault(seed % LANES, []).append(seed)
    spec = policy.spec
    env = {
        "action_space": spec.action_space,
        "control_hz": spec.control_hz,
        "cameras": spec.cameras,
        "image_size": image_size,
    }
    job = Job(list(sys.path), task, env, swapped, False, lanes)
    label = name or Path(checkpoint).name or "policy"
    with Tally(label, condition, len(seeds), progress) as tally, pool(job, workers) as environments:
        policy.check_env(environments.spec)
        batch = _Batch(policy, condition == "blank_image")
        with _inference(policy):
            latency = _play(environments, batch, horizon, lanes, tally, measured=condition == "test")
    return tally.result(
        task,
        seeds,
        environments.spec,
        checkpoint=checkpoint,
        execute=execute,
        lanes=LANES,
        threads=THREADS,
        evaluations=policy.head.evaluations,
        device=str(policy.device),
        latency=latency,
    )


class _Batch:
    """The LANES rows of observations, and one noise generator for each."""

    def __init__(self, policy: Policy, blank: bool) -> None:
        self._policy = policy
        self._blank = blank
        self._device = policy.device
        self._seeds: list[int | None] = [None] * LANES
        self._generators = [torch.Generator(self._device).manual_seed(row) for row in range(LANES)]
        self._observation: Observation | None = None

    def chunks(self, sights: dict[int, Sight]) -> dict[int, np.ndarray]:
        """A chunk, float32 [k, a], for each lane in `sights`."""
        if self._observation is None:
            self._observation = self._filled_with(next(iter(sights.values())))
        observation = self._observation
        for row, sight in sights.items():
            if not self._blank:
                observation.images[row] = torch.from_numpy(sight.images)
            observation.state[row] = torch.from_numpy(sight.state)
            observation.instruction[row] = sight.instruction
            if self._seeds[row] != sight.seed:
                self._seeds[row] = sight.seed
                self._generators[row].manual_seed(sight.seed)
        chunks = self._policy.act(observation.to(self._device), self._generators).float().cpu().numpy()
        return {row: chunks[row] for row in sights}

    def latency(self, sights: dict[int, Sight]) -> Latency:
        """Of one chunk at batch 1, on these observations in turn."""
        observations = [self._filled_with(sight, rows=1).to(self._device) for sight in sights.values()]
        return measure(self._policy, observations)

    def _filled_with(self, sight: Sight, rows: int = LANES) -> Observation:
        images = torch.from_numpy(sight.images).expand(rows, *sight.images.shape).clone()
        state = torch.from_numpy(sight.state).expand(rows, *sight.state.shape).clone()
        return Observation(images.fill_(BLANK) if self._blank else images, state, [sight.instruction] * rows)


def _play(
    environments: Pool,
    batch: _Batch,
    horizon: RecedingHorizon,
    lanes: dict[int, list[int]],
    tally: Tally,
    measured: bool,
) -> Latency | None:
    """Asks and acts until all episodes are over; the latency is measured while everyone waits for the first action.

    In rounds: all lanes that still play are asked for together. Asking earlier for those that are ready would let
    environments step meanwhile, but the batch has LANES rows however few of them are needed.
    """
    left = {lane: len(seeds) for lane, seeds in lanes.items()}
    waiting: dict[int, Sight] = {}
    chunks: dict[int, list[tuple[int, np.ndarray]]] = {}
    latency = None
    while not tally.complete:
        for lane, turn in environments.receive().items():
            waiting.pop(lane, None)  # its worker may have died while it waited
            for episode in turn.finished:
                episode.chunks = chunks.pop(episode.seed, [])
                left[lane] -= 1
            tally.add(turn.finished)
            if turn.sight is not None:
                waiting[lane] = turn.sight
        if not waiting or len(waiting) < sum(count > 0 for count in left.values()):
            continue
        if measured and latency is None:
            with tally.paused():
                latency = batch.latency(waiting)
        blocks = {}
        for lane, chunk in batch.chunks(waiting).items():
            sight = waiting[lane]
            chunks.setdefault(sight.seed, []).append((sight.step, chunk))
            blocks[lane] = horizon.block(chunk)
        waiting.clear()
        environments.send(blocks)
    return latency


@contextmanager
def _inference(policy: Policy) -> Iterator[None]:
    """The policy in evaluation mode and torch on THREADS threads; both as before afterwards."""
    training, threads = policy.training, torch.get_num_threads()
    policy.eval()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        policy.train(training)
        torch.set_num_threads(threads)


def _shorten(seeds: Sequence[int]) -> str:
    text = str(seeds if isinstance(seeds, range) else list(seeds))
    return text if len(text) < 80 else f"{text[:76]} ..."
