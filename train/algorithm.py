"""The interface of `train/algorithms/`: ways to improve a trained policy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Float32

from ..common.errors import InputError
from ..envs import tasks
from ..policies.policy import Policy
from .batch_source import BatchSource, Learner
from .config import TrainConfig
from .data.dataset import Dataset
from .data.merge import Merged
from .data.windows import WindowSampler


@dataclass(frozen=True)
class Start:
    """Starting point of an algorithm: the run to improve, its policy and its demonstrations."""

    run: str
    """The folder of the run that is improved, as the user called it."""
    policy: Policy
    dataset: Dataset
    """Demonstrations."""

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks of the demonstrations, which the policy plays to learn from its own rollouts.

        Raises:
            ValueError: they are of no task that could be played.
        """
        stored = self.dataset.spec_dict
        if stored is None or "task" not in stored:
            raise InputError(
                f"own rollouts need a task to play, and the data in {self.dataset.root} were not recorded by "
                "vlasandbox; valid is a run on data of `vla record`"
            )
        return tasks.expand(stored["task"])

    def check_expert(self) -> None:
        """Checks that every task has an expert.

        Raises:
            ValueError: one has none.
        """
        for name in self.tasks:
            try:
                tasks.load(name, self.policy.spec.robot).expert()
            except NotImplementedError:
                raise InputError(
                    f"task {name!r} has no expert to learn from; valid without one: --by filtered"
                ) from None

    def expert_steps(self, task: str) -> float:
        """Mean length of the demonstrations of `task`, in control steps."""
        parts = self.dataset.parts if isinstance(self.dataset, Merged) else (self.dataset,)
        of_task = [part for part in parts if (part.spec_dict or {}).get("task") == task]
        return float(np.concatenate([part.lengths for part in of_task]).mean())


@dataclass(frozen=True)
class AlgorithmConfig(ABC):
    """One algorithm with its settings."""

    updates: int = 240
    """Updates of the whole run."""
    warmup: int = 20
    """Updates over which the learning rates rise."""
    rate: float = 1.0
    """Factor on the learning rates that the policy was trained with."""

    failures: ClassVar[bool] = False
    """Whether the algorithm also learns from failed episodes."""

    def __post_init__(self) -> None:
        if self.updates < 1 or self.warmup < 0:
            raise InputError(f"updates must be at least 1 and warmup 0, got {self.updates} and {self.warmup}")
        if not 0 < self.rate < np.inf:
            raise InputError(f"rate must be above 0, got {self.rate}")

    def configured(self, config: TrainConfig) -> TrainConfig:
        """The configuration of the run that goes on, from that of the policy's training."""
        optim = replace(
            config.optim,
            lr=self.rate * config.optim.lr,
            muon_lr=self.rate * config.optim.muon_lr,
            warmup=self.warmup,
        )
        return replace(
            config, updates=self.updates, optim=optim, data=replace(config.data, failures=self.failures)
        )

    @abstractmethod
    def check(self, start: Start) -> None:
        """Checks that a policy can be improved in this way.

        Raises:
            ValueError: it cannot; names what is missing and what would be valid.
        """

    def weights(self, dataset: Dataset, chunk: int) -> Float32[np.ndarray, " n"] | None:
        """Weight of the window of `chunk` actions at each frame; None weights all alike."""
        return None

    @abstractmethod
    def source(self, learner: Learner, sampler: WindowSampler) -> BatchSource:
        """Source of the run's batches.

        Args:
            learner: the run.
            sampler: windows of the demonstrations, all alike.
        """
