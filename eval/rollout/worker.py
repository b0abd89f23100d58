"""Environment process of an evaluation: plays the episodes of some lanes, without torch.

Started by `worker_process.py` as a program of its own, not through multiprocessing, which would import the
caller's main module into every worker, and with it torch. It talks over its standard input, a socket. First
comes a `Job`; it answers `Ready` or `WorkerFailure`, then with the first observation of every lane. From then
on a message {lane: block of actions, or PolicyFailure} is answered by {lane: LaneUpdate}. The expert needs no
actions: its worker plays on and tells of every episode. When the other end is closed, the worker ends; when
its process is gone, at once.
"""

import errno
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from ...envs.config import EnvConfig
from ..result import EpisodeResult, Outcome

if TYPE_CHECKING:
    from ...envs.manipulation_env import ManipulationEnv
    from ...envs.rollout import RolloutPlan

ONE_THREAD = {"LP_NUM_THREADS": "0", "OMP_NUM_THREADS": "1"}
"""Environment variables of every process that plays episodes: there is one per core already. To the software
renderer (llvmpipe) 0 is no thread but the caller's."""


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to know."""

    path: list[str]
    """sys.path of the parent, so that anyone's task modules are found."""
    env: EnvConfig
    swapped: bool
    """Whether the instruction names another object of the scene."""
    expert: bool
    """Whether the scripted expert acts instead of the parent."""
    lanes: dict[int, list[int]]
    """Seeds of each lane's episodes, in order."""
    history: int = 1
    """Control steps of which an observation shows the images and the state, up to the present one."""
    wait: int = 0
    """Control steps for which the robot stands still before it does what it is sent the next time."""
    sentence: str | None = None
    """Instruction of every episode in place of its own; success is about it, where it asks for something."""
    rollout: "RolloutPlan | None" = None
    """How the episodes are recorded; seeds are then numbers of trials (see `envs.seeds.trial`)."""

    @property
    def reset_options(self) -> dict[str, str] | None:
        """Options of every `ManipulationEnv.reset`."""
        if self.sentence is not None:
            return {"sentence": self.sentence}
        return {"instruction": "swapped"} if self.swapped else None


@dataclass(frozen=True)
class Ready:
    """The environments exist and can render."""

    spec: dict[str, Any]
    """`ManipulationEnv.spec_dict`."""


@dataclass(frozen=True)
class WorkerFailure:
    """The worker cannot work at all."""

    message: str
    mistake: bool
    """Whether it was a ValueError: the user's mistake, told in one line."""


@dataclass(frozen=True)
class LaneObservation:
    """What a lane sees while it waits for actions.

    With a history, axis `v` is (t v) and axis `s` is (t s), as in `policies.types.Observation`.
    """

    seed: int
    step: int
    """Control steps done in this episode."""
    images: UInt8[np.ndarray, "v h w 3"]
    state: Float32[np.ndarray, " s"]
    instruction: str


@dataclass(frozen=True)
class LaneUpdate:
    """What happened in a lane."""

    finished: list[EpisodeResult] = field(default_factory=list)
    observation: LaneObservation | None = None
    """None when the lane has no episodes left."""


@dataclass(frozen=True)
class PolicyFailure:
    """What a lane gets in place of actions when the policy raised on its observation."""

    error: str
    """In one line."""
    traceback: str


class Lane:
    """One environment and the episodes that it still has to play."""

    def __init__(self, job: Job, seeds: Sequence[int]) -> None:
        self._job = job
        self._seeds = deque(seeds)
        self._seen: deque[dict[str, Any]] = deque(maxlen=job.history)
        self.env = self._make()
        self._expert = self.env.definition.expert() if job.expert else None

    def _make(self) -> "ManipulationEnv":
        return self._job.env.build()

    def begin(self, finished: list[EpisodeResult]) -> LaneUpdate:
        """Starts the next episode that can be started; reports those `finished` and those that cannot."""
        while self._seeds:
            self._seed, self._stage, self._info = self._seeds.popleft(), 0, {}
            self._actions, self._path = [], []
            try:
                observation, info = self._reset()
                self._seen.extend([observation] * self._job.history)
                self._note(info)
                return LaneUpdate(finished, self._observation())
            except Exception as error:
                finished.append(self._crash(error))
        return LaneUpdate(finished)

    def _reset(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.env.reset(seed=self._seed, options=self._job.reset_options)

    def give_up(self, failure: PolicyFailure) -> LaneUpdate:
        """Ends the episode, whose policy raised, and goes on to the next one."""
        return self.begin([self._result("error", failure.error, failure.traceback)])

    def act(self, block: Shaped[np.ndarray, "m a"] | None) -> EpisodeResult | None:
        """Executes `block`, or one action of the expert; gives the result if the episode ends."""
        try:
            if block is None:
                assert self._expert is not None
                block = self._expert.act(self.env)[None]
            # An image costs more than a step: only those are made that the history will hold.
            first = max(len(block) - self._job.history + 1, 1)
            terminated = truncated = False
            for number, piece in enumerate((block[:first], *block[first:, None])):
                observation, _, terminated, truncated, info = self.env.step_block(piece, continues=number > 0)
                self._actions.extend(piece[: info["steps"]])
                self._path.extend(info["path"])
                self._note(info)
                self._seen.append(observation)
                if terminated or truncated:
                    break
        except Exception as error:
            return self._crash(error)
        if terminated or truncated:
            success = self._info["is_success"]
            return self._result("success" if success else "timeout" if truncated else "failure")
        return None

    def advance(self, block: Shaped[np.ndarray, "m a"] | PolicyFailure) -> LaneUpdate:
        """Waits, executes `block`, and goes on to the next episode if this one ends."""
        if isinstance(block, PolicyFailure):
            return self.give_up(block)
        result = self.act(self._still()) if self._job.wait and self._actions else None
        result = result or self.act(block)
        return LaneUpdate([], self._observation()) if result is None else self.begin([result])

    def _still(self) -> Shaped[np.ndarray, "m a"]:
        """Actions that leave the newest command as it is."""
        command = self.env.reference()
        return self.env.actions.encode(command, command)[None].repeat(self._job.wait, axis=0)

    def close(self) -> None:
        """Frees the environment's share of the OpenGL context."""
        self.env.close()

    def _note(self, info: dict[str, Any]) -> None:
        self._info = info
        self._stage = max(self._stage, self.env.definition.stages.index(info["stage"]))

    def _observation(self) -> LaneObservation:
        frames = [seen["pixels"][name] for seen in self._seen for name in self.env.cameras]
        images = np.stack(frames) if frames else np.empty((0, 0, 0, 3), np.uint8)
        state = np.concatenate([seen["agent_pos"] for seen in self._seen])
        return LaneObservation(self._seed, len(self._actions), images, state, self._seen[-1]["instruction"])

    def _result(
        self, outcome: Outcome, error: str | None = None, traceback: str | None = None
    ) -> EpisodeResult:
        return EpisodeResult(
            seed=self._seed,
            outcome=outcome,
            steps=len(self._actions),
            progress=float(self._info.get("progress", 0.0)),
            stage=self.env.definition.stages[self._stage],
            instruction=self._info.get("instruction", ""),
            error=error,
            traceback=traceback,
            actions=np.array(self._actions, np.float32).reshape(-1, len(self.env.actions.dims)),
            path=np.array(self._path, np.float32).reshape(-1, 3 * len(self.env.world.robots)),
            mode=self._info.get("mode"),
        )

    def _crash(self, error: Exception) -> EpisodeResult:
        """The result of an episode whose code raised; the next one gets a fresh environment.

        Raises:
            Exception: `error`, if it is the machine's: the process ends, and the episode is played again.
        """
        if is_of_the_machine(error):
            raise error
        result = self._result("error", describe(error), traceback_of(error))
        self.env.close()
        self.env = self._make()
        return result


_MACHINE = {errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO}


def is_of_the_machine(error: Exception) -> bool:
    """Whether an exception says that memory, disk or handles ran out, which is no fault of task or policy."""
    if isinstance(error, OSError):
        return error.errno in _MACHINE
    short = "out of memory" in str(error).lower() or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and short)


def traceback_of(error: Exception) -> str:
    """All of an exception's traceback, with what caused it."""
    return "".join(traceback.format_exception(error))


def describe(error: Exception) -> str:
    """One line: the exception and where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join("".join(traceback.format_exception_only(error)).split())
    return f"{text} ({os.path.basename(place.filename)}:{place.lineno})"


def serve(connection: Connection, job: Job) -> None:
    """Plays all episodes of `job`, then waits for the end of the connection.

    Raises:
        EOFError, OSError: the other end is gone.
    """
    lanes: dict[int, Lane] = {}
    try:
        try:
            kind = Lane if job.rollout is None else _recording_lane()
            for number, seeds in job.lanes.items():
                lanes[number] = kind(job, seeds)
            first = next(iter(lanes.values())).env
            if not job.expert:
                # A machine that cannot render would otherwise fail every episode, one by one.
                first.render_frame(first.cameras[0], 8, 8, quality=first.quality)
        except Exception as error:
            mistake = isinstance(error, ValueError)
            # Our own errors (no rendering) say what to do; for any other the place matters.
            ours = type(error).__module__.startswith("vlasandbox.")
            connection.send(WorkerFailure(str(error) if mistake or ours else traceback.format_exc(), mistake))
            return
        connection.send(Ready(first.spec_dict()))
        if job.expert:
            _play_expert(connection, lanes)
        connection.send({number: lane.begin([]) for number, lane in lanes.items()})
        while True:
            blocks = connection.recv()
            connection.send({number: lanes[number].advance(block) for number, block in blocks.items()})
    finally:
        for lane in lanes.values():
            lane.close()


def _recording_lane() -> type[Lane]:
    from .recording_lane import RecordingLane  # imports the simulator

    return RecordingLane


def _play_expert(connection: Connection, lanes: dict[int, Lane]) -> None:
    for number, lane in lanes.items():
        update = lane.begin([])
        while update.observation is not None:
            result = None
            while result is None:
                result = lane.act(None)
            # Told at once: should the next episode kill the process, this one is safe.
            connection.send({number: LaneUpdate([*update.finished, result])})
            update = lane.begin([])
        connection.send({number: update})


def main() -> None:
    """Body of the process."""
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    connection = Connection(os.dup(0))
    job = connection.recv()
    sys.path[:] = job.path
    try:
        serve(connection, job)
    except (EOFError, ConnectionError):
        pass


def _end_with_parent(parent: int) -> None:
    """A process whose parent is gone gets another one."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
