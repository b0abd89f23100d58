"""Game: the episodes of one simulation process, played by a policy."""

import sys
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32

from ...envs import tasks
from ...envs.episode import Episode
from ...envs.simulation.process import WorkerProcess
from ...policies.execution import Execution, Executor
from ..result import EpisodeResult
from .inference import LANES, THREADS
from .lane_observation import LaneObservation
from .lane_player import Finish, LanePlayer, PolicyFailure


@runtime_checkable
class Answers(Protocol):
    """A policy that answers for several lanes at once: `BatchedPolicy`, or one behind a socket."""

    def answers(
        self,
        observations: dict[int, LaneObservation],
        left: dict[int, Float32[np.ndarray, "k a"]] | None = None,
    ) -> tuple[dict[int, Float32[np.ndarray, "k a"]], dict[int, PolicyFailure]]:
        """Chunks by lane, and the lanes for which the policy raised.

        Args:
            observations: what the lanes see that wait for actions.
            left: unexecuted tail of each lane's previous chunk.
        """
        ...


class Game:
    """Asks the policy for all lanes of a process that wait, has its answers executed, and so on."""

    def __init__(
        self,
        process: WorkerProcess,
        lanes: dict[int, list[int]],
        batch: Answers,
        execution: Execution,
        finish: Finish,
    ) -> None:
        """
        Args:
            process: a running one that is ready.
            lanes: seeds of each lane's episodes, in order.
            batch: the policy; this game's alone.
            execution: which actions of the policy's chunks are executed.
            finish: see `Finish`.
        """
        self.player = LanePlayer(process, lanes, self._finished)
        self._batch, self._execution, self._finish = batch, execution, finish
        self._chunks: dict[int, list[tuple[int, np.ndarray]]] = {}
        self._executors: dict[int, Executor] = {}
        self.waiting: dict[int, LaneObservation] = {}
        """Lanes that wait for actions, and what they see."""

    def begin(self) -> None:
        """Begins the first episode of every lane."""
        self.waiting = self.player.advance({})

    def play(self) -> None:
        """Plays all episodes to their ends."""
        torch.set_num_threads(THREADS)  # each thread of a process has its own number
        while self.waiting:
            for seen in self.waiting.values():
                if seen.step == 0:  # perhaps again, after its process died
                    self._chunks[seen.seed] = []
                    self._executors[seen.seed] = self._execution.start()
            kept = {lane: self._executors[seen.seed].left() for lane, seen in self.waiting.items()}
            left = {lane: chunk for lane, chunk in kept.items() if chunk is not None}
            answers, failures = self._batch.answers(self.waiting, left)
            blocks: dict[int, np.ndarray | PolicyFailure] = {**failures}
            for lane, chunk in answers.items():
                seen = self.waiting[lane]
                self._chunks[seen.seed].append((seen.step, chunk))
                blocks[lane] = self._executors[seen.seed].block(chunk)
            self.waiting = self.player.advance(blocks)

    def _finished(self, episode: EpisodeResult, record: Episode | None) -> None:
        episode.chunks = self._chunks.pop(episode.seed, [])
        self._executors.pop(episode.seed, None)
        self._finish(episode, record)


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


def finish_missing(players: Sequence[LanePlayer], finish: Finish, task: str, total: int) -> None:
    """Takes in the episodes whose process died each time that they were played, and says so."""
    missing = {seed: how for player in players for seed, how in player.missing.items()}
    if not missing:
        return
    hows = "; ".join(sorted(set(missing.values())))
    print(
        f"{len(missing)} of {total} episodes are missing, seeds {shortened(sorted(missing))}: each time the "
        f"simulation process {hows}. They count as neither success nor failure; `vla eval` plays them again",
        file=sys.stderr,
    )
    stage = tasks.load(task).stages[0]
    for seed, how in missing.items():
        finish(EpisodeResult(seed, "missing", 0, 0.0, stage, "", how), None)


def shortened(seeds: Sequence[int]) -> str:
    """The seeds, or the first of them."""
    text = str(seeds if isinstance(seeds, range) else list(seeds))
    return text if len(text) < 80 else f"{text[:76]} ..."
