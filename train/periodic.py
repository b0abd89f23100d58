"""Looks at a training while it goes on: held-out loss, success on validation seeds, the best policy so far.

All of it is measured on the averaged weights, in a copy of the policy that is read back from the disk, with
noise from generators of its own: what is trained stays bit for bit what it would be without.
"""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..common.errors import InputError
from ..envs import tasks
from ..envs.config import EnvConfig
from ..envs.seeds import VALIDATION
from ..eval.result import UNDECIDED, EvalResult
from ..eval.rollout.evaluate import evaluate
from ..policies.execution import Execution
from ..policies.policy import Policy
from ..policies.types import PolicySpec
from .config import DataConfig, TrainConfig, settings
from .data.align import aligned
from .data.cache import frame_cache
from .data.dataset import Dataset
from .data.episodes import episode_names, shared
from .data.files import read_json, write_sealed
from .data.merge import open_data
from .data.windows import WindowSampler
from .ema import EMA
from .evaluation import BEST

WINDOWS = 1024
"""Held-out windows whose loss is measured, the same ones each time; fewer where there are fewer."""
NOISE_SEED = 0
"""Seed of the noise in the held-out loss: the same each time, so that what changes is the policy."""


@dataclass(frozen=True)
class Look:
    """Measurements after an update; empty where nothing was due."""

    metrics: dict[str, float] = field(default_factory=dict)
    """held_out_loss, held_out_action_loss; success, and success_TASK where there are several tasks."""
    video: Path | None = None
    """Video of one validation episode."""


class Periodic:
    """Measures a policy every now and then while it is trained, and keeps the best one in `out / BEST`.

    The best is the one with the highest success; of equal ones, or where none is measured, the one with the
    lowest held-out loss; of equal ones the later.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        policy: Policy,
        ema: EMA,
        out: Path,
        summary: Callable[[int], dict[str, Any]],
    ) -> None:
        """
        Args:
            data: what is trained on.
            policy: the policy in training; only its configuration and unaveraged tensors are read.
            ema: its averaged weights.
            out: folder of the run.
            summary: content of the run's summary.json, given the number of updates done.

        Raises:
            ValueError: success is to be measured on demonstrations of no task of ours, or the held-out ones
                do not fit.
        """
        self._config, self._policy, self._ema, self._out, self._summary = config, policy, ema, out, summary
        self._every = config.eval_every or config.checkpoint_every
        self._tasks: list[str] = []
        self._env = EnvConfig()
        if config.eval_every:
            spec = data.spec_dict
            if spec is None or "task" not in spec:
                raise InputError(
                    f"success is judged on the task of the demonstrations, and those in {data.root} do not "
                    "name it, as only vla record's do: leave eval_every at 0, or give data.held_out for a "
                    "held-out loss"
                )
            self._tasks = tasks.expand(spec["task"])
            recorded = EnvConfig.of_spec(spec)
            self._env = EnvConfig(wording=recorded.wording, combinations=recorded.combinations)
        self._sampler = None
        if config.data.held_out is not None:
            made_for = policy.spec
            held_out = aligned(
                open_data(config.data.held_out), made_for.cameras, made_for.state_names, made_for.action_names
            )
            _check_held_out(held_out, data, policy.spec, config.data)
            self._batches = max(1, min(len(held_out), WINDOWS) // config.batch_size)
            self._sampler = WindowSampler(
                held_out,
                frame_cache(held_out, policy.trunk.image_size),
                config.data.chunk,
                config.batch_size,
                NOISE_SEED,
                config.data.action_space,
                config.data.history,
            )

    def look(self, step: int) -> Look:
        """Measures what is due after `step` updates, and keeps the policy if it is the best."""
        due = step % self._every == 0 or step == self._config.updates
        if not due or not (self._tasks or self._sampler):
            return Look()
        policy = self._averaged()
        metrics = self._held_out_loss(policy)
        video = None
        if self._tasks:
            results = [self._evaluated(policy, task) for task in self._tasks]
            rates = [result.successes / len(result.episodes) for result in results]
            metrics["success"] = sum(rates) / len(rates)
            if len(rates) > 1:
                metrics |= {f"success_{task}": rate for task, rate in zip(self._tasks, rates, strict=True)}
            # One video each time: of several tasks in turn.
            video = self._filmed(results[step // self._every % len(results)], step)
        self._keep_best(step, metrics)
        return Look(metrics, video)

    def close(self) -> None:
        """Ends the background thread that reads held-out windows."""
        if self._sampler is not None:
            self._sampler.close()

    def _averaged(self) -> Policy:
        """A policy of its own with the averaged weights, ready to act."""
        folder = self._out / "state" / "averaged"
        self._policy.save(folder, self._ema.tensors)
        policy = Policy.load(folder, self._policy.device)
        shutil.rmtree(folder)
        return policy

    @torch.no_grad()
    def _held_out_loss(self, policy: Policy) -> dict[str, float]:
        if self._sampler is None:
            return {}
        sums = {"loss": 0.0, "action_loss": 0.0}
        generator = torch.Generator(policy.device)
        for number in range(self._batches):
            batch = self._sampler.batch(number).to(policy.device)
            loss, metrics = policy.loss(batch, generator.manual_seed(NOISE_SEED + number))
            sums["loss"] += float(loss)
            sums["action_loss"] += float(metrics["action_loss"])
        return {f"held_out_{name}": total / self._batches for name, total in sums.items()}

    def _evaluated(self, policy: Policy, task: str) -> EvalResult:
        return evaluate(
            policy,
            replace(self._env, task=task),
            VALIDATION[: self._config.eval_episodes],
            workers=torch.get_num_threads(),
            execution=Execution(min(Execution.execution_horizon, policy.spec.chunk)),
            name=self._out.name,
            progress=False,
        )

    def _filmed(self, result: EvalResult, step: int) -> Path | None:
        """The video of the first episode that did not raise."""
        from ..eval.video.clips import SPEED  # imports the simulator
        from ..eval.video.encode import write_video
        from ..eval.video.overlay import side_by_side
        from ..eval.video.replay import replay

        for episode in result.episodes:
            if episode.outcome not in UNDECIDED:
                footage = replay(result, episode)
                path = self._out / "videos" / f"{step:06}-{result.task.replace(':', ',')}.mp4"
                write_video(side_by_side([footage], speed=SPEED), path, SPEED * footage.fps)
                return path
        print(f"no validation episode could be played: {result.episodes[0].error}", file=sys.stderr)
        return None

    def _keep_best(self, step: int, metrics: dict[str, float]) -> None:
        """Saves the policy to the folder BEST, unless a better one lies there."""
        folder = self._out / BEST
        found = {"episodes": self._config.eval_episodes if self._tasks else 0, **metrics}
        path = folder / "summary.json"
        old: dict[str, float | int] = read_json(path)[BEST] if path.exists() else {}
        comparable = old.keys() == found.keys() and old["episodes"] == found["episodes"]
        if comparable and _score(old) > _score(found):
            return
        self._policy.save(folder / "policy", self._ema.tensors)
        write_sealed(folder / "config.json", settings(self._config))
        write_sealed(path, self._summary(step) | {BEST: found})


def _score(found: Mapping[str, float | int]) -> tuple[float, float]:
    """The higher the better."""
    return found.get("success", 0.0), -found.get("held_out_loss", 0.0)


def _check_held_out(held_out: Dataset, data: Dataset, spec: PolicySpec, config: DataConfig) -> None:
    """Checks that the loss on `held_out` says something about a policy with `spec` that is trained on `data`.

    Raises:
        ValueError: some of it is trained on, or it shows or means something else.
    """
    from .build import policy_spec

    if known := shared(held_out, set().union(*episode_names(data))):
        seeds = [int(name.split()[-1]) for names in known for name in names if " seed " in name]
        way = ": hold others out"
        if seeds:
            way = f", such as seed {min(seeds)}: record others, e.g. with `vla record --first-seed 990000`"
        raise InputError(
            f"data.held_out {held_out.root} has {len(known)} of the episodes that are trained on{way}"
        )
    found = vars(policy_spec(held_out, config))
    wrong = [f"{k}: {found[k]!r} there, {mine!r} here" for k, mine in vars(spec).items() if mine != found[k]]
    if wrong:
        raise InputError(f"data.held_out {held_out.root} does not fit {data.root} ({'; '.join(wrong)})")
