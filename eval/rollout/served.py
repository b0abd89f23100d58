"""Evaluation of a policy that another process serves over a socket: the same episodes, seeds and controls.

Each simulation process has a connection of its own, and its lanes are answered one after the other. The
server samples each chunk at batch size 1, so its rounding, and with it an outcome, may differ from that of
the same policy evaluated here.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import numpy as np
from jaxtyping import Float32

from ...common.errors import InputError
from ...envs.config import EnvConfig
from ...envs.simulation.lane import LaneSettings
from ...envs.simulation.pool import in_threads
from ...policies.execution import Execution
from ...policies.remote.client import RefusedError, RemoteError, RemotePolicy
from ..result import Condition, EvalResult
from .collector import EpisodeCollector
from .evaluate import keeping, policy_env, reset_options, usable_workers
from .game import Game, finish_missing, split
from .inference import BLANK
from .lane_observation import LaneObservation
from .lane_player import EvaluationError, PolicyFailure, lane_processes
from .latency import Latency


class ServedBatch:
    """Answers lanes over one connection."""

    def __init__(self, policy: RemotePolicy, blank: bool) -> None:
        """
        Args:
            policy: this object's alone.
            blank: whether the policy sees uniform gray instead of the images.
        """
        self._policy, self._blank = policy, blank
        self.milliseconds: list[float] = []
        """Time that each chunk took, from pixels to actions and through the network."""

    def answers(
        self,
        observations: dict[int, LaneObservation],
        left: dict[int, Float32[np.ndarray, "k a"]] | None = None,
    ) -> tuple[dict[int, Float32[np.ndarray, "k a"]], dict[int, PolicyFailure]]:
        """Chunks of the lanes, and the failures of those whose observation the server refused.

        Raises:
            EvaluationError: the server is gone.
            RemoteError: it refuses the very first observation.
        """
        chunks: dict[int, np.ndarray] = {}
        failures: dict[int, PolicyFailure] = {}
        for lane, seen in observations.items():
            images = np.full_like(seen.images, BLANK) if self._blank else seen.images
            start = time.perf_counter()
            try:
                chunks[lane] = self._policy.act(images, seen.state, seen.instruction, seen.seed, seen.step)
            except RefusedError as error:
                if not self.milliseconds:
                    raise
                failures[lane] = PolicyFailure(str(error), "")
            except RemoteError as error:
                raise EvaluationError(str(error)) from None
            else:
                self.milliseconds.append(1e3 * (time.perf_counter() - start))
        return chunks, failures


def evaluate_served(
    connect: Callable[[], RemotePolicy],
    env: EnvConfig,
    seeds: Sequence[int],
    *,
    condition: Condition = "test",
    workers: int | None = None,
    execution: Execution | None = None,
    name: str | None = None,
    progress: bool = True,
    keep: Callable[[EvalResult], None] | None = None,
) -> EvalResult:
    """Runs one episode per seed; see `evaluate`, also for the arguments that are not listed here.

    Args:
        connect: opens a connection to the policy.
        env: settings of the environment; the policy brings its own action space, control rate, cameras and
            image size.

    Raises:
        ValueError: see `evaluate`; or rtc, which the protocol has no words for.
        EvaluationError: the server is gone, or a simulation process cannot start.
    """
    workers = usable_workers(workers, seeds)
    execution = execution or Execution()
    with ExitStack() as connections:

        def opened() -> RemotePolicy:
            return connections.enter_context(closing(connect()))

        first = opened()
        spec = first.spec
        execution.check(spec.chunk, spec.action_space)
        if execution.rtc:
            raise InputError("openpi's protocol has no way to continue a chunk: evaluate without rtc")
        env = policy_env(env, spec)
        wait = execution.inference_delay if execution.blocking else 0
        lanes = LaneSettings(env, reset_options(condition), history=spec.history, wait=wait)
        shares = split(seeds, workers)
        with (
            EpisodeCollector(name or first.name, condition, len(seeds), progress) as collector,
            lane_processes(lanes, len(shares)) as (processes, env_spec),
        ):
            if wrong := spec.misfits(env_spec):
                raise InputError(f"{first.name} does not fit this environment ({'; '.join(wrong)})")
            batches = [ServedBatch(opened(), condition == "blank_image") for _ in processes]
            games = [
                Game(process, share, batch, execution, collector.add)
                for process, share, batch in zip(processes, shares, batches, strict=True)
            ]

            def result(seeds: Sequence[int]) -> EvalResult:
                times = [one for batch in batches for one in batch.milliseconds]
                latency = Latency(*np.percentile(times, (50, 95)).tolist()) if times else None
                return collector.result(
                    env.task,
                    seeds,
                    env_spec,
                    execution,
                    checkpoint=first.address,
                    lanes=1,
                    weights=first.weights,
                    device="served",
                    latency=latency,
                )

            with keeping(keep, collector, seeds, result):
                in_threads([game.begin for game in games], processes)
                in_threads([game.play for game in games], processes)
                finish_missing([game.player for game in games], collector.add, env.task, len(seeds))
        return result(seeds)
