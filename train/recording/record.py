"""Records demonstrations of the scripted expert on all cores, into a LeRobotDataset v3.0.

The seeds tried are consecutive, and an episode depends on its seed alone, so the dataset is the same for any
number of workers and however often the recording was interrupted.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...common.errors import InputError, VlaError
from ...envs.config import EnvConfig
from ...envs.expert import NoiseConfig
from ...envs.seeds import DEMONSTRATIONS
from ...envs.simulation.pool import in_threads, usable_cores, worker_processes
from ...envs.simulation.process import TRIES, DiedError, SimulationError, WorkerProcess
from ..data.files import exclusive
from ..data.schema import frames_per_second
from ..data.staging import FOLDER, flush_staged
from ..data.writer import DatasetWriter, check_root

SERVICE = "vlasandbox.train.recording.recorder:Recorder"


class RecordError(VlaError, RuntimeError):
    """Recording had to stop; the message says why, and what was recorded so far is kept."""


@dataclass(frozen=True)
class RecordConfig:
    """Settings of a recording."""

    root: Path
    """Folder of the dataset. If it holds episodes with the same settings, recording goes on from them."""
    episodes: int = 100
    """Successful episodes to record, those of earlier runs included."""
    env: EnvConfig = field(default_factory=EnvConfig)
    """Environment to record: task, robot, cameras, and so on. The control rate must be a whole number."""
    noise: NoiseConfig | None = field(default_factory=NoiseConfig)
    """Disturbances from which the expert recovers."""
    first_seed: int = DEMONSTRATIONS.start
    """Seed of the first attempt; the next ones follow."""
    workers: int | None = None
    """Simulation processes; one per core by default."""

    def settings(self) -> dict[str, Any]:
        """Settings that all episodes of a dataset have in common (JSON values)."""
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
        raise InputError(f"episodes is {config.episodes}, but must be at least 1")
    if config.workers is not None and config.workers < 1:
        raise InputError(f"workers is {config.workers}, but must be at least 1")
    if config.first_seed not in DEMONSTRATIONS:
        raise InputError(
            f"first_seed {config.first_seed} is not a seed for demonstrations "
            f"({DEMONSTRATIONS.start} to {DEMONSTRATIONS.stop - 1}); the others are for judging policies"
        )
    frames_per_second(config.env.control_hz)
    if config.env.action_space.endswith("_relative"):
        raise InputError(
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
    """Order of seeds to try, such that the result is that of trying one after the other.

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
    count = max(1, min(config.workers or usable_cores(), config.episodes - plan.already))
    settings = {
        "root": str(config.root.absolute()),
        "env": asdict(config.env),
        "noise": config.noise and asdict(config.noise),
    }
    bar = tqdm(
        total=config.episodes,
        initial=plan.already,
        desc=f"recording {config.env.task}",
        unit="episode",
        disable=watch is not None,
    )
    flushes: list[Future[None]] = []
    try:
        with (
            bar,
            ThreadPoolExecutor(1) as flusher,
            worker_processes(SERVICE, settings, count) as (processes, _),
        ):

            def feed(process: WorkerProcess) -> None:
                """Gives one process a seed after the other; `flusher` flushes the episodes."""
                while (seed := plan.next()) is not None:
                    success = _recorded(process, seed)
                    flushes.append(flusher.submit(flush_staged, config.root, seed))
                    plan.report(success)
                    bar.update(success)
                    bar.set_postfix(failed=plan.failures, refresh=False)
                    if success and watch is not None:
                        watch()

            in_threads([partial(feed, process) for process in processes], processes)
    except SimulationError as error:
        if error.kind == "system":
            raise _cannot_write(config.root, str(error)) from None
        raise RecordError(str(error)) from None
    for flushed in flushes:
        flushed.result()


def _recorded(process: WorkerProcess, seed: int) -> bool:
    """Whether the expert succeeded on `seed`, which is played again if its process dies."""
    tries = 0
    while True:
        try:
            return process.ask({"seed": seed})["success"]
        except DiedError as error:
            tries += 1
            if tries == TRIES:
                message = f"seed {seed} ended {TRIES} simulation processes; the last one {error}"
                raise RecordError(message) from None
            process.restart()
        except SimulationError as error:
            place = f"seed {seed}: " if error.kind == "bug" else ""
            raise SimulationError(f"{place}{error}", error.kind) from None


def _cannot_write(root: Path, reason: str) -> RecordError:
    return RecordError(
        f"{root}: writing failed ({reason}); finished episodes are kept, run the same command again to go on"
    )
