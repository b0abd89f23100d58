"""LanePlayer: plays the episodes of some lanes in one simulation process, again if it dies."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from ...common.errors import VlaError
from ...envs.episode import Episode
from ...envs.simulation.lane import LaneSettings
from ...envs.simulation.pool import worker_processes
from ...envs.simulation.process import TRIES, DiedError, SimulationError, WorkerProcess
from ..result import EpisodeResult
from .lane_observation import LaneObservation

SERVICE = "vlasandbox.envs.simulation.lanes:Lanes"
FUTILE = 4
"""Episodes in a row that may be missing before it is the machine that plays none."""
Finish = Callable[[EpisodeResult, Episode | None], object]
"""Is given every finished episode at once, and its record if the lanes record."""


class EvaluationError(VlaError, RuntimeError):
    """The evaluation cannot go on, through no fault of the policy."""


@dataclass(frozen=True)
class PolicyFailure:
    """Replacement for actions when the policy raised on a lane's observation."""

    error: str
    """The exception in one line."""
    traceback: str


@contextmanager
def lane_processes(
    settings: LaneSettings, count: int
) -> Iterator[tuple[list[WorkerProcess], dict[str, Any]]]:
    """Running processes with lanes, and the specification of their environments; see `worker_processes`.

    Raises:
        ValueError: the environment cannot be made as asked for.
        EvaluationError: it cannot be made at all, or a process cannot go on.
    """
    try:
        with worker_processes(SERVICE, settings.to_json(), count) as started:
            yield started
    except SimulationError as error:
        raise EvaluationError(str(error)) from None


class LanePlayer:
    """Gives the lanes of a process their episodes, and tells of those that are finished.

    If the process dies, that is an error of the machine and no result: a new one plays the same episodes
    again. If that one dies too, each of them is played alone, so that one that kills its process does not
    take others with it; it is missing in the end.
    """

    def __init__(self, process: WorkerProcess, lanes: Mapping[int, list[int]], finish: Finish) -> None:
        """
        Args:
            process: a running one that is ready.
            lanes: seeds of each lane's episodes, in order.
            finish: see `Finish`.
        """
        self._process, self._finish = process, finish
        self._queues = {lane: deque(seeds) for lane, seeds in lanes.items()}
        self._playing: dict[int, int] = {}
        """Seed of the episode in each lane that plays one."""
        self._alone: deque[tuple[int, int]] = deque()
        """(lane, seed) of episodes to be played without company before anything else is."""
        self._tries: Counter[int] = Counter()
        """Number of processes that died while playing each seed."""
        self._futile = 0
        """Episodes in a row that are missing."""
        self.missing: dict[int, str] = {}
        """Seeds of the episodes that could not be played, and how their process died."""

    def advance(
        self, blocks: Mapping[int, Float32[np.ndarray, "m a"] | PolicyFailure]
    ) -> dict[int, LaneObservation]:
        """Executes actions in lanes that wait for them, and begins episodes in those that are free.

        Returns:
            What each lane sees that waits for actions then; empty when all episodes are finished or missing.

        Raises:
            StoppedError: the process was stopped.
            EvaluationError: one process after the other dies.
        """
        waiting: dict[int, LaneObservation] = {}
        acts = [(lane, vars(x) if isinstance(x, PolicyFailure) else x) for lane, x in blocks.items()]
        begins = self._next()
        while acts or begins:
            try:
                updates = self._process.ask({"act": acts, "begin": begins})
            except DiedError as error:
                self._give_up(str(error))
                updates, waiting = [], {}
                if begins := self._next():
                    self._process.restart()
            else:
                for lane, update in updates:
                    if "observation" in update:
                        waiting[lane] = LaneObservation(**update["observation"])
                    else:
                        self._take(lane, update)
                begins = self._next()
            acts = []
        return waiting

    def _next(self) -> list[tuple[int, int]]:
        """(lane, seed) of the episodes to begin now."""
        if self._alone:
            begins = [] if self._playing else [self._alone.popleft()]
        else:
            free = [lane for lane, seeds in self._queues.items() if seeds and lane not in self._playing]
            begins = [(lane, self._queues[lane].popleft()) for lane in free]
        self._playing |= dict(begins)
        return begins

    def _take(self, lane: int, update: dict[str, Any]) -> None:
        seed, episode, record = self._playing.pop(lane), update["episode"], update.get("record")
        assert seed == episode["seed"], f"lane {lane} played {episode['seed']} instead of {seed}"
        self._futile = 0
        self._finish(EpisodeResult(**episode), record and Episode.of_message(record))

    def _give_up(self, how: str) -> None:
        """Decides what is to become of the episodes that the process was playing, which died."""
        playing, self._playing = self._playing, {}
        self._tries.update(playing.values())
        often = max(self._tries[seed] for seed in playing.values())
        if len(playing) == 1 and often >= TRIES:
            self.missing |= dict.fromkeys(playing.values(), how)
            self._futile += 1
            if self._futile > FUTILE:
                raise EvaluationError(
                    f"simulation processes die without finishing an episode; the last one {how}"
                )
        elif often > 1:
            self._alone.extendleft(playing.items())
        else:
            for lane, seed in playing.items():
                self._queues[lane].appendleft(seed)
