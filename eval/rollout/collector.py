"""Collects finished episodes, shows progress, and builds the EvalResult."""

import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from ...common.versions import EVALUATION, recorded_versions
from ...policies.execution import Execution
from ..result import UNDECIDED, Condition, EpisodeResult, EvalResult
from .latency import Latency


class EpisodeCollector:
    """Finished episodes of one evaluation, with a clock and a progress bar; use as a context manager."""

    def __init__(self, name: str, condition: Condition, total: int, progress: bool) -> None:
        self._name = name
        self._condition: Condition = condition
        self._episodes: dict[int, EpisodeResult] = {}
        interval = 0.2 if sys.stderr.isatty() else 20.0
        label = name if condition == "test" else f"{name}, {condition.replace('_', ' ')}"
        self._bar = tqdm(total=total, desc=label, unit="episode", disable=not progress, mininterval=interval)
        self._start = time.perf_counter()
        self._wall: float | None = None
        self._lock = threading.Lock()
        self._keep: Callable[[list[int]], None] | None = None
        self._keeping = threading.Lock()
        self._interval, self._kept = 0.0, 0.0

    def __enter__(self) -> "EpisodeCollector":
        return self

    def __exit__(self, *_: object) -> None:
        self._wall = time.perf_counter() - self._start
        self._bar.close()

    def add(self, episode: EpisodeResult, record: object = None) -> None:
        """Adds a finished episode, but not its record; thread-safe."""
        with self._lock:
            self._episodes[episode.seed] = episode
            errors = sum(e.outcome in UNDECIDED for e in self._episodes.values())
            successes = sum(e.outcome == "success" for e in self._episodes.values())
            rate = f"success {successes / max(1, len(self._episodes) - errors):.0%}"
            self._bar.set_postfix_str(rate + (f", {errors} errors" if errors else ""), refresh=False)
            self._bar.update()
        if self._keep is not None and self._keeping.acquire(blocking=False):
            try:
                if time.monotonic() - self._kept >= self._interval:
                    self._keep(self.finished(sorted(self._episodes)))
                    self._kept = time.monotonic()
            finally:
                self._keeping.release()

    def keep_every(self, interval: float, keep: Callable[[list[int]], None]) -> None:
        """Calls `keep`, from now on, with the seeds of the finished episodes, once in `interval` [s]."""
        self._keep, self._interval, self._kept = keep, interval, time.monotonic()

    def finished(self, seeds: Sequence[int]) -> list[int]:
        """Seeds among `seeds` whose episodes came in."""
        with self._lock:
            return [seed for seed in seeds if seed in self._episodes]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Context whose duration does not count as rollout time."""
        before = time.perf_counter()
        yield
        self._start += time.perf_counter() - before

    def result(
        self,
        task: str,
        seeds: Sequence[int],
        spec: dict[str, Any],
        execution: Execution,
        *,
        checkpoint: str = "",
        lanes: int = 0,
        threads: int = 0,
        evaluations: int = 0,
        undecodable: float = 0.0,
        weights: str = "",
        sampling: str = "",
        device: str = "",
        latency: Latency | None = None,
    ) -> EvalResult:
        """Builds the result, with the episodes in the order of `seeds`."""
        episodes = [self._episodes[seed] for seed in seeds]
        return EvalResult(
            policy=self._name,
            checkpoint=checkpoint,
            task=task,
            condition=self._condition,
            seed_start=min(seeds),
            episodes=episodes,
            execution=execution,
            sampling=sampling,
            lanes=lanes,
            threads=threads,
            evaluations=evaluations,
            undecodable=undecodable,
            weights=weights,
            chunk_ms_p50=latency.p50 if latency else math.nan,
            chunk_ms_p95=latency.p95 if latency else math.nan,
            wall_seconds=time.perf_counter() - self._start if self._wall is None else self._wall,
            env_steps=sum(episode.steps for episode in episodes),
            spec=json.loads(json.dumps(spec)),  # as it is read back: tuples become lists
            versions=recorded_versions(EVALUATION) | ({"device": device} if device else {}),
        )
