"""RolloutSource: demonstrations, and more and more rollouts of the policy that learns from them.

Before the first update and at even distances after that, the averaged policy plays scenes that it has not
seen, and from then on a share of all windows comes from these and the earlier rollouts. They are datasets in
RUN/rollouts/ROUND/TASK, which stay. What is played depends on the weights and the round alone: a run that was
killed plays only what is missing.
"""

import os
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, ClassVar

import numpy as np

from ..common.errors import InputError
from ..envs.config import EnvConfig
from ..envs.episode import Episode
from ..envs.rollout import RolloutPlan
from ..envs.seeds import ROLLOUTS, trial
from ..eval.result import EpisodeResult
from ..eval.rollout.rollouts import play_rollouts
from .algorithm import AlgorithmConfig, Start
from .batch_source import BatchSource, Learner
from .build import window_sampler
from .checkpoint import CheckpointError
from .data import schema
from .data.cache import JoinedFrames, frame_cache
from .data.dataset import Dataset
from .data.files import read_json, write_json
from .data.merge import mixture
from .data.windows import WindowSampler
from .data.writer import DatasetWriter
from .log import METRICS, RunLog, stored_rows
from .recording.rollouts import storing

FOLDER = "rollouts"
"""Folder of rollouts in the folder of a run."""
COSTS = ("rollout_wall_seconds", "rollout_cpu_seconds")
SPAN = 10_000
"""Number of scenes that a training seed has for itself."""


@dataclass(frozen=True)
class RolloutConfig(AlgorithmConfig):
    """An algorithm that learns from rollouts of the policy, too."""

    rounds: int = 3
    """Number of times that rollouts are played, at even distances over the updates."""
    episodes: int = 150
    """Episodes of each round, for each task that is learned."""
    share: float = 0.5
    """Share of the windows that come from rollouts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.rounds <= self.updates:
            raise InputError(f"rounds must be from 1 to updates = {self.updates}, got {self.rounds}")
        if not 1 <= self.episodes * self.rounds <= SPAN:
            raise InputError(
                f"rounds x episodes must be from 1 to {SPAN}, got {self.rounds} x {self.episodes}"
            )
        if not 0 < self.share <= 1:
            raise InputError(f"share must be above 0 and at most 1, got {self.share}")

    needs_expert: ClassVar[bool] = True

    def check(self, start: Start) -> None:
        """Checks that there are tasks to play, with an expert where one is needed."""
        assert start.tasks
        if self.needs_expert:
            start.check_expert()

    @abstractmethod
    def plan(self, start: Start, task: str) -> RolloutPlan:
        """Plan for playing and recording the episodes of `task`."""

    def trials(self, seed: int, number: int) -> list[int]:
        """The trials of round `number` (0 is the first) of a run with this training seed: scenes that none of
        its other rounds has."""
        first = ROLLOUTS.start + seed % (len(ROLLOUTS) // SPAN) * SPAN + number * self.episodes
        return [trial(scene) for scene in range(first, first + self.episodes)]

    def source(self, learner: Learner, sampler: WindowSampler) -> "RolloutSource":
        """Source of demonstrations and rollouts; see `RolloutSource`."""
        return RolloutSource(learner, sampler, self)


@dataclass(frozen=True)
class CappedRolloutConfig(RolloutConfig):
    """An algorithm whose policy drives to the end, unless it takes far longer than the expert."""

    limit: float = 2.0
    """Length at which an episode is cut off, in mean lengths of the demonstrations."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit <= 0:
            raise InputError(f"limit must be above 0, got {self.limit}")

    def max_steps(self, start: Start, task: str) -> int:
        """Control steps after which an episode of `task` is cut off."""
        return max(1, round(self.limit * start.expert_steps(task)))


class RolloutSource(BatchSource):
    """Source of demonstrations and of more and more rollouts of the policy; see the module."""

    def __init__(self, learner: Learner, sampler: WindowSampler, algorithm: RolloutConfig) -> None:
        super().__init__(learner, sampler)
        self._algorithm = algorithm
        self._start = Start(learner.out.name, learner.policy, learner.dataset)
        self._rounds: list[list[Dataset]] = []
        self._frames: dict[Path, np.memmap] = {}
        """Frames of what has been opened so far, by dataset: opening a cache reads all of it."""
        self._metrics = learner.out / METRICS

    def is_due(self, step: int) -> bool:
        """Whether a round begins at `step`, or one before it is not loaded."""
        return step < self.learner.config.updates and self._begun(step) > len(self._rounds)

    def grow(self, step: int, log: RunLog, stop: Event) -> None:
        """Plays the round that begins at `step`, and loads those before it."""
        while (number := len(self._rounds)) < self._begun(step):
            first = number * self.learner.config.updates // self._algorithm.rounds
            self._rounds.append(
                [self._round(number, task, stop, may_play=step == first) for task in self._start.tasks]
            )
            if step == first:
                log.once(step, {"round": number + 1} | self._seen(number))
        self._renew()

    def summary(self) -> dict[str, Any]:
        """The rows of all rounds in metrics.jsonl."""
        return {"rollouts": [row for row in stored_rows(self._metrics) if "round" in row]}

    def _begun(self, step: int) -> int:
        """Rounds that begin at `step` or before."""
        rounds, updates = self._algorithm.rounds, self.learner.config.updates
        return sum(number * updates // rounds <= step for number in range(rounds))

    def _renew(self) -> None:
        """Switches to batches from the demonstrations and all rounds."""
        config, algorithm, base = self.learner.config, self._algorithm, self.learner.dataset
        added = [data for parts in self._rounds for data in parts if data.learned.any()]
        data = mixture(base, added, algorithm.share)
        frames = JoinedFrames([self._frames_of(data) for data in (base, *added)])
        weights = algorithm.weights(data, config.data.chunk)
        self.replace_sampler(window_sampler(config, data, frames, weights))

    def _frames_of(self, dataset: Dataset) -> np.memmap:
        if dataset.root not in self._frames:
            size, folder = self.learner.policy.trunk.image_size, self.learner.config.data.cache
            self._frames[dataset.root] = frame_cache(dataset, size, folder)
        return self._frames[dataset.root]

    def _round(self, number: int, task: str, stop: Event, *, may_play: bool) -> Dataset:
        """The rollouts of one round on one task, of which those that are missing are played."""
        learner, algorithm = self.learner, self._algorithm
        root = learner.out / FOLDER / str(number + 1) / task.replace(":", ",")
        trials = algorithm.trials(learner.config.seed, number)
        plan = algorithm.plan(self._start, task)
        if not may_play:
            if not (root / schema.INFO).exists():
                raise CheckpointError(
                    f"{root} is gone: later updates were made with these rollouts, so the run cannot go on "
                    "without them; choose another folder"
                )
            return Dataset.open(root)
        writer = DatasetWriter(root, {"task": task, "round": number + 1, "plan": asdict(plan)})
        known = writer.outcomes()
        missing = [one for one in trials if one not in known]
        with _costs(root.with_name(root.name + ".json")):  # even if a killed run has played them all
            if missing:
                self._play(task, missing, plan, writer, stop, f"round {number + 1}, {task}")
        writer.commit()
        return Dataset.open(root)

    def _play(
        self, task: str, trials: list[int], plan: RolloutPlan, writer: DatasetWriter, stop: Event, name: str
    ) -> None:
        store, spec = storing(writer), self._start.dataset.spec_dict or {}

        def take(result: EpisodeResult, episode: Episode | None) -> None:
            store(result, episode)
            if stop.is_set():
                raise KeyboardInterrupt(f"stopped while playing {name}; what was played is kept")

        varied = ("wording", "combinations", "perturb", "quality")
        with self.learner.ema.averaged():
            play_rollouts(
                self.learner.policy,
                EnvConfig(task, **{key: spec[key] for key in varied if key in spec}),
                trials,
                plan,
                take,
                workers=None,
                name=name,
                progress=self.learner.bar,
            )

    def _seen(self, number: int) -> dict[str, int | float]:
        """The row of a round in metrics.jsonl."""
        parts = self._rounds[number]
        listed = [e for part in parts for e in (part.recording or {})["episodes"]]
        alone = [part.by_policy[s : s + n].all() for part in parts for s, n in _spans(part)]
        solved = [e["success"] for e in listed]
        costs = [_spent(part.root.with_name(part.root.name + ".json")) for part in parts]
        found = {
            "rollouts": len(listed),
            "rollout_success": float(np.mean(solved)),
            "success_alone": float(np.mean(np.logical_and(solved, alone))),
            "rollout_frames": sum(len(part) for part in parts),
            "rollout_windows": sum(int(part.learned.sum()) for part in parts),
        }
        return found | {key: sum(cost[key] for cost in costs) for key in COSTS}


def _spans(part: Dataset) -> Iterator[tuple[int, int]]:
    return zip(part.starts.tolist(), part.lengths.tolist(), strict=True)


@contextmanager
def _costs(path: Path) -> Iterator[None]:
    """Adds the time that the block takes to the file `path`."""
    wall, cpu = time.perf_counter(), _cpu()
    try:
        yield
    finally:
        spent = (time.perf_counter() - wall, _cpu() - cpu)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {key: _spent(path)[key] + more for key, more in zip(COSTS, spent, strict=True)})


def _spent(path: Path) -> dict[str, float]:
    return read_json(path) if path.exists() else dict.fromkeys(COSTS, 0.0)


def _cpu() -> float:
    """Processor time of this process and of those of its children that have ended [s]."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
