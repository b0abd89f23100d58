"""BatchSource: where a training loop gets its batches from, once for a whole run or growing as it goes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from ..policies.policy import Policy
from ..policies.types import Batch
from .config import TrainConfig
from .data.dataset import Dataset
from .data.windows import WindowSampler
from .ema import EMA
from .log import RunLog


@dataclass(frozen=True)
class Learner:
    """What a source may look at in a run that goes on."""

    config: TrainConfig
    dataset: Dataset
    """Demonstrations."""
    policy: Policy
    """In training, on its device."""
    ema: EMA
    """Its averaged weights."""
    out: Path
    """Folder of the run."""
    bar: bool
    """Whether people want to see how it goes."""


class BatchSource:
    """Batches of a run's demonstrations. One that grows overrides `is_due` and `grow`."""

    def __init__(self, learner: Learner, sampler: WindowSampler) -> None:
        self.learner = learner
        self._sampler = sampler
        self._waited = 0.0

    @property
    def wait_seconds(self) -> float:
        """Time for which `batch` kept its caller waiting, in all [s]."""
        return self._waited + self._sampler.wait_seconds

    def is_due(self, step: int) -> bool:
        """Whether `grow` has something to do before update `step`; the run has a checkpoint from then."""
        return False

    def grow(self, step: int, log: RunLog, stop: Event) -> None:
        """Gets what is to be learned from, from update `step` on. It must depend on the run's state alone:
        after an interruption it happens again.

        Raises:
            KeyboardInterrupt: `stop` was set.
        """

    def batch(self, step: int) -> Batch:
        """The batch of update `step`, on the CPU."""
        return self._sampler.batch(step)

    def summary(self) -> dict[str, Any]:
        """What it adds to the run's summary.json."""
        return {}

    def close(self) -> None:
        """Ends the background threads."""
        self._sampler.close()

    def replace_sampler(self, sampler: WindowSampler) -> None:
        """From now on batches come from `sampler`."""
        self._waited += self._sampler.wait_seconds
        self._sampler.close()
        self._sampler = sampler


MakeSource = Callable[[Learner, WindowSampler], BatchSource]
