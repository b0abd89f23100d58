"""Records demonstrations of the scripted expert on all cores, into a LeRobotDataset v3.0.

The seeds tried are consecutive, and an episode depends on its seed alone, so the dataset is the same for any
number of workers and however often the recording was interrupted.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...envs.config import EnvConfig
from ...envs.expert import NoiseConfig
from ...envs.seeds import DEMONSTRATIONS
from ...eval.rollout.worker import ONE_THREAD
from ...eval.rollout.worker_pool import usable_cores
from ..data.files import exclusive
from ..data.schema import frames_per_second
from ..data.staging import FOLDER, flush_staged
from ..data.writer import DatasetWriter, check_root


class RecordError(RuntimeError):
    """Recording had to stop; the message says why, and what was recorded so far is kept."""


@dataclass(frozen=True)
class RecordConfig:
    """What to record, and where."""

    root: Path
    """Folder of the dataset. If it holds episodes with the same settings, recording goes on from them."""
    episodes: int = 100
    """Successful episodes to record, those of earlier runs included."""
    env: EnvConfig = field(default_factory=EnvConfig)
    """What is recorded: task, robot, cameras, and so on. The control rate must be a whole number."""
    noise: NoiseConfig | None = field(default_factory=NoiseConfig)
    """Disturbances from which the expert recovers."""
    first_seed: int = DEMONSTRATIONS.start
    """Seed of the first attempt; the next ones follow."""
    workers: int | None = None
    """Simulation processes; one per core by default."""

    def settings(self) -> dict[str, Any]:
        """What all episodes of a dataset have in common (JSON values)."""
        noise = None if self.noise is None else asdict(self.noise)
        env = asdict(self.env)
        common = {"task": env.pop("task"), "first_seed": self.first_seed}
        return env | common | {"noise": noise, "mujoco": version("mujoco")}


def record(config: RecordConfig, *, watch: Callable[[], object] | None = None) -> Path:
    """Records until the dataset has `config.episodes` episodes, and returns its folder.

    Episodes in which the expert fails are left out; their seeds are listed in meta/vlasandbox.json.

    Args:
        config: what to record.
        watch: called after each successful episode, from several threads; without it there is a progress bar.

    Raises:
        ValueError: settings that cannot be, or that differ from the folder's (DatasetError).
        RecordError: no room on the disk, a worker that broke, an expert that keeps failing.
    """
    if config.episodes < 1:
        raise ValueError(f"episodes is {config.episodes}, but must be at least 1")
    if config.workers is not None and config.workers < 1:
        raise ValueError(f"workers is {config.workers}, but must be at least 1")
    if config.first_seed not in DEMONSTRATIONS:
        raise ValueError(
            f"first_seed {config.first_seed} is not a seed for demonstrations "
            f"({DEMONSTRATIONS.start} to {DEMONSTRATIONS.stop - 1}); the others are for judging policies"
        )
    frames_per_second(config.env.control_hz)
    if config.env.action_space.endswith("_relative"):
        raise ValueError(
            f"action_space {config.env.action_space!r} counts from the start of a chunk, which a "
            "recording has not: record in the _delta or _absolute space, training converts it exactly"
        )
    root = config.root
    check_root(root, config.settings())
    try:
        with exclusive(root / FOLDER, wait=False):
            writer = DatasetWriter(root, config.settings())
            plan = SeedPlan(config.first_seed, config.episodes, writer.outcomes())
            if not plan.complete:
                _run_workers(config, plan, watch)
            writer.commit(config.episodes)
    except OSError as error:
        raise _cannot_write(root, error.strerror or str(error)) from None
    return root


class SeedPlan:
    """Which seed to try next, such that the result is that of trying one after the other.

    A seed is given out only while the episodes at hand and in flight are fewer than wanted. So the last seed
    ever tried is the one that completes the dataset, and none is tried in vain.
    """

    def __init__(self, first_seed: int, episodes: int, outcomes: dict[int, bool]) -> None:
        """
        Args:
            outcomes: seeds tried before, and whether they gave an episode.
        """
        self.failures = 0
        """Seeds of this run on which the expert failed."""
        self.successes = 0
        """Episodes of this run."""
        self._cursor, self._episodes, self._outcomes = first_seed, episodes, outcomes
        self._expected = 0
        self._lock = threading.Lock()

    @property
    def already(self) -> int:
        """Episodes at hand from earlier runs."""
        return min(sum(self._outcomes.values()), self._episodes)

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to try."""
        with self._lock:
            self._skip_known()
            return self._expected >= self._episodes

    def next(self) -> int | None:
        """The next seed to try, None if there may be none left."""
        with self._lock:
            self._skip_known()
            if self._expected >= self._episodes:
                return None
            self._expected += 1
            self._cursor += 1
            return self._cursor - 1

    def report(self, success: bool) -> None:
        """Says how a seed from `next` went.

        Raises:
            RecordError: the expert fails much more often than not.
        """
        with self._lock:
            self.successes += success
            self.failures += not success
            self._expected -= not success
            if self.failures >= 20 and self.failures > 2 * self.successes:
                raise RecordError(
                    f"the expert failed in {self.failures} of {self.failures + self.successes} episodes: "
                    "with this noise the task may be beyond it"
                )

    def _skip_known(self) -> None:
        while self._expected < self._episodes and self._cursor in self._outcomes:
            self._expected += self._outcomes[self._cursor]
            self._cursor += 1


def _run_workers(config: RecordConfig, plan: SeedPlan, watch: Callable[[], object] | None) -> None:
    count = config.workers or usable_cores()
    workers = [_Worker(config) for _ in range(max(1, min(count, config.episodes - plan.already)))]
    bar = tqdm(
        total=config.episodes,
        initial=plan.already,
        desc=f"recording {config.env.task}",
        unit="episode",
        disable=watch is not None,
    )
    pool, flusher = ThreadPoolExecutor(len(workers)), ThreadPoolExecutor(1)
    flushes: list[Future[None]] = []
    try:
        futures = [pool.submit(_feed, worker, plan, bar, watch, flusher, flushes) for worker in workers]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        for flushed in flushes:
            flushed.result()
        for worker in workers:
            worker.finish()
    finally:
        for worker in workers:
            worker.kill()
        pool.shutdown()
        flusher.shutdown()
        bar.close()


def _feed(
    worker: "_Worker",
    plan: SeedPlan,
    bar: tqdm,
    watch: Callable[[], object] | None,
    flusher: ThreadPoolExecutor,
    flushes: "list[Future[None]]",
) -> None:
    """Gives one worker a seed after the other; `flusher` flushes the episodes, `flushes` are its tasks."""
    while (seed := plan.next()) is not None:
        success = worker.run(seed)
        flushes.append(flusher.submit(flush_staged, worker.root, seed))
        plan.report(success)
        bar.update(success)
        bar.set_postfix(failed=plan.failures, refresh=False)
        if success and watch is not None:
            watch()


class _Worker:
    """A simulation process; see record_worker.py."""

    def __init__(self, config: RecordConfig) -> None:
        self.root = config.root
        """Of the dataset."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vlasandbox.train.recording.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD,
            # Ctrl-C reaches the parent only, which then stops the workers.
            start_new_session=True,
        )
        settings = config.settings()
        self._send(
            {
                "path": [os.path.abspath(x) if x == "" else x for x in sys.path],
                "root": str(config.root.absolute()),
                "env": asdict(config.env),
                "noise": settings["noise"],
            }
        )

    def run(self, seed: int) -> bool:
        """Records `seed`; returns whether the expert succeeded."""
        self._send(seed)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RecordError(f"a simulation process ended unexpectedly during seed {seed}")
        reply = json.loads(line)
        if "error" not in reply:
            return reply["success"]
        if reply["kind"] == "settings":
            raise ValueError(reply["error"])
        if reply["kind"] == "disk":
            raise _cannot_write(self.root, reply["error"])
        raise RecordError(reply["error"] if reply["kind"] == "system" else f"seed {seed}: {reply['error']}")

    def finish(self) -> None:
        """Lets the idle process close its environment and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def kill(self) -> None:
        """Ends the process at once, if it still runs."""
        self._process.kill()
        self._process.wait()

    def _send(self, value: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `run` sees the reply that says why, or the end of the stream


def _cannot_write(root: Path, reason: str) -> RecordError:
    return RecordError(
        f"{root}: writing failed ({reason}); finished episodes are kept, run the same command again to go on"
    )
