"""Costs of work on this machine, measured on a little of it, to be told before a long command starts.

A few demonstrations are recorded into a temporary folder, a policy of each kind is trained on them for a few
updates, beside as many others as the command will train at once, and then asked for a few answers.
"""

import json
import math
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..envs import tasks
from ..envs.simulation.pool import usable_cores
from ..eval.rollout.inference import LANES, THREADS
from ..policies.policy import Policy
from ..policies.types import Batch, Observation
from .build import build, fit_head
from .config import TrainConfig, settings
from .data.dataset import Dataset
from .evaluation import EvalConfig
from .log import last_row
from .machine import Threads, choose_device, choose_precision, choose_threads, seconds_per_call
from .recording.record import RecordConfig, record

BUDGET = 8.0
"""Time after which no further measurement starts [s]; the mean of those made stands for the rest."""
RECORDERS = 8
"""Maximum number of processes that record."""
DEMONSTRATIONS = 4
"""Number of demonstrations for each recording process, of which the first does not count."""
LONG = 500
"""Number of updates left to make from which on it is worth the time to measure."""
REPORT = 150
"""Replaying and filming episodes of a policy for a report, in demonstrations: both are mostly rendering."""
LONGER = 1.2
"""Length of an episode that a policy ends successfully, in demonstrations."""
NO_MATTER = ("seed", "updates", "ema_decay", "checkpoint_every", "wandb", "compile")
"""Settings of a training, beside data folder and learning rate, that do not change what an update costs."""

_BUILDING = threading.Lock()
"""Held while a policy is built: transformers imports its parts on first use, and two threads disturb it."""

Planned = tuple[TrainConfig, RecordConfig]
"""A training, and what its demonstrations are recorded with."""


@dataclass(frozen=True)
class Trial:
    """One kind of training, tried."""

    threads: Threads
    update: float
    """Time of an update [s]."""
    answer: float
    """Time of a chunk of actions for one row of a full batch, on one core [s]."""


@dataclass(frozen=True)
class Costs:
    """Measured costs on this machine."""

    control_step: float
    """Time of a control step with its pictures on one core, its share of the reset included [s]."""
    demonstration: float
    """Length of the expert's demonstrations, as a share of the time limit of their tasks."""
    trials: Mapping[str, Trial]
    """Measured trials by the `kind` of their trainings."""

    def recording(self, config: RecordConfig, episodes: int | None = None) -> float:
        """Core-seconds of recording; `episodes` of them instead of all that `config` asks for."""
        steps = self.demonstration * most_steps(config.env.task, config)
        return (config.episodes if episodes is None else episodes) * steps * self.control_step

    def update(self, config: TrainConfig) -> float:
        """Time of an update [s]: the mean of all kinds that were tried, if this one was not."""
        return self._mean("update", config)

    def evaluation(self, evaluation: EvalConfig, training: Planned, *, fails: bool = False) -> float:
        """Core-seconds of an evaluation.

        Args:
            evaluation: what is played.
            training: of the policy.
            fails: whether episodes last until the time limit, as those of controls should.
        """
        config, recorded = training
        most = most_steps(evaluation.task, recorded)
        steps = most if fails else min(most, LONGER * self.demonstration * most)
        return (
            evaluation.episodes
            * steps
            * (self.control_step + self._mean("answer", config) / evaluation.execution_horizon)
        )

    def _mean(self, name: str, config: TrainConfig) -> float:
        trial = self.trials.get(kind(config))
        return statistics.mean(getattr(one, name) for one in ([trial] if trial else self.trials.values()))


def most_steps(task: str, recorded: RecordConfig) -> float:
    """Control steps of a task until its time limit."""
    return tasks.load(task, recorded.env.robot).time_limit * recorded.env.control_hz


def kind(config: TrainConfig) -> str:
    """Key that is equal for trainings whose updates cost the same."""
    document: dict[str, Any] = {k: v for k, v in settings(config).items() if k not in NO_MATTER}
    document["data"] = {k: v for k, v in document["data"].items() if k not in ("root", "cache")}
    document["optim"] = {k: v for k, v in document["optim"].items() if not k.endswith("lr")}
    return json.dumps(document, sort_keys=True)


def measure_if_long(trainings: Sequence[Planned], updates_left: int, at_once: int) -> Costs | None:
    """Measures what these trainings cost, unless so few updates are left that it is not worth it."""
    if updates_left < LONG:
        return None
    print("Measuring what this takes here ...", flush=True)
    return measure(trainings, at_once)


def updates_left(config: TrainConfig, run: Path) -> int:
    """Updates that the training in the folder `run` has yet to make."""
    row = last_row(run / "metrics.jsonl")
    return config.updates - (int(row["step"] or 0) if row else 0)


def measure(trainings: Sequence[Planned], at_once: int) -> Costs:
    """Measures what these trainings, `at_once` of them at a time, their demonstrations and evaluations cost.

    Raises:
        ValueError: a recording or training that is impossible.
        RecordError: nothing can be recorded here.
    """
    deadline = time.monotonic() + BUDGET
    cores = usable_cores()
    at_once = min(at_once, cores)
    scenes: dict[str, list[Planned]] = {}
    for config, recorded in trainings:
        scenes.setdefault(json.dumps(recorded.settings(), sort_keys=True), []).append((config, recorded))
    steps, shares, trials = list[float](), list[float](), dict[str, Trial]()
    with (
        tempfile.TemporaryDirectory() as folder,
        torch.random.fork_rng(),
        ThreadPoolExecutor(at_once) as pool,
    ):
        for number, alike in enumerate(scenes.values()):
            if number and time.monotonic() > deadline:
                break
            recorded = replace(alike[0][1], root=Path(folder) / str(number))
            dataset, seconds = _demonstrations(recorded, min(cores, RECORDERS))
            steps.append(seconds / dataset.lengths.mean())
            shares.append(dataset.lengths.mean() / most_steps(recorded.env.task, recorded))
            configs = {kind(config): config for config, _ in alike if kind(config) not in trials}
            # However slow the machine is, something has to be measured.
            deadlines = [deadline if trials or i >= at_once else math.inf for i in range(len(configs))]
            found = pool.map(partial(_trial, dataset, cores // at_once), configs.values(), deadlines)
            trials |= {name: trial for name, trial in zip(configs, found, strict=True) if trial is not None}
    return Costs(statistics.mean(steps), statistics.mean(shares), trials)


def _demonstrations(config: RecordConfig, workers: int) -> tuple[Dataset, float]:
    """Records a few demonstrations, and measures the core-seconds that one takes once the processes run."""
    times: list[float] = []
    watch = lambda: times.append(time.perf_counter())  # noqa: E731
    record(replace(config, episodes=workers * DEMONSTRATIONS, workers=workers), watch=watch)
    first, *_, last = sorted(times)[workers - 1 :]
    return Dataset.open(config.root), (last - first) * workers / (len(times) - workers)


def _trial(dataset: Dataset, most_threads: int, config: TrainConfig, deadline: float) -> Trial | None:
    """Trains and asks a policy for a moment; None if there is no time left for that."""
    if time.monotonic() > deadline:
        return None
    device = choose_device(config.device)
    with _BUILDING:
        policy, sampler = build(replace(config, data=replace(config.data, cache=None)), dataset, device)
    with closing(sampler):
        fit_head(policy, sampler, config.seed)
        batch = sampler.batch(0)
    update = one_update(config, policy, batch)
    if config.threads is None and device.type == "cpu":
        threads = choose_threads(update, most_threads)
    else:
        number = config.threads or torch.get_num_threads()
        threads = Threads(number, {number: seconds_per_call(update, number)})
    rows = [row % config.batch_size for row in range(LANES)]
    seen = batch.observation
    observation = Observation(seen.images[rows], seen.state[rows], [seen.instruction[row] for row in rows])
    generators = [torch.Generator(device).manual_seed(row) for row in range(LANES)]
    policy.eval()
    answer = seconds_per_call(lambda: policy.act(observation, generators).cpu(), THREADS) / LANES
    return Trial(threads, threads.seconds[threads.number], answer)


def one_update(config: TrainConfig, policy: Policy, batch: Batch) -> Callable[[], None]:
    """A function that makes an update of `policy`, all of it but the average of the weights.

    Args:
        config: of the training.
        policy: fresh, on its device.
        batch: what every call learns from.
    """
    config.optim.freeze(policy)
    optimizer = config.optim.build(policy)
    trained = [p for p in policy.parameters() if p.requires_grad]
    precision = choose_precision(policy.device).precision if config.precision == "auto" else config.precision
    batch, generator = batch.to(policy.device), torch.Generator(policy.device)

    def update() -> None:
        optimizer.zero_grad()
        with torch.autocast(policy.device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss, _ = policy.loss(batch, generator.manual_seed(0))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, config.optim.clip)
        optimizer.step()
        loss.item()  # waits for the device

    return update


def as_measured() -> str:
    """Words for where an estimate comes from: here, and among which other programs."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= usable_cores() / 2:
        return "as measured here"
    return f"as measured here beside other programs (load {load:.1f}; alone it is faster)"


def about(seconds: float) -> str:
    """Words for an estimated time [s]: "about 40 s", "about 12 min", "about 3.5 h"."""
    if seconds < 90:
        return f"about {math.ceil(seconds):.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"
