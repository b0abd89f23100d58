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
    """Parts of a running training that a source may look at."""

    config: TrainConfig
    dataset: Dataset
    """Demonstrations."""
    policy: Policy
    """Policy in training mode, on its device."""
    ema: EMA
    """Moving average of the policy's weights."""
    out: Path
    """Folder of the run."""
    bar: bool
    """Whether to show progress bars."""


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
        """Whether `grow` has work to do before update `step`; the run has a checkpoint from then."""
        return False

    def grow(self, step: int, log: RunLog, stop: Event) -> None:
        """Acquires the data to learn from as of update `step`. It must depend on the run's state alone:
        after an interruption it happens again.

        Raises:
            KeyboardInterrupt: `stop` was set.
        """

    def batch(self, step: int) -> Batch:
        """The batch of update `step`, on the CPU."""
        return self._sampler.batch(step)

    def summary(self) -> dict[str, Any]:
        """Entries that the source adds to the run's summary.json."""
        return {}

    def close(self) -> None:
        """Ends the background threads."""
        self._sampler.close()

    def replace_sampler(self, sampler: WindowSampler) -> None:
        """Switches to `sampler` as the source of all further batches."""
        self._waited += self._sampler.wait_seconds
        self._sampler.close()
        self._sampler = sampler


MakeSource = Callable[[Learner, WindowSampler], BatchSource]
