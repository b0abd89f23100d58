"""Cloning of mixed-quality data, in which a window counts by the progress that was made in it (RA-BC).

Reward-aligned behavior cloning, arXiv 2509.25358, with the weights of LeRobot's `rabc.py` and with the exact
progress of the simulator in place of a learned one. Windows of data that do not say how the task progressed,
such as demonstrations, count fully. Nothing is played.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float32

from ...common.errors import InputError
from ..algorithm import AlgorithmConfig, Start
from ..batch_source import BatchSource, Learner
from ..build import window_sampler
from ..data.dataset import Dataset
from ..data.windows import WindowSampler


@dataclass(frozen=True)
class Config(AlgorithmConfig):
    """Progress-weighted cloning."""

    full: float = 0.01
    """Progress of a window above which it counts fully, whatever that of the others."""

    failures: ClassVar[bool] = True

    def check(self, start: Start) -> None:
        """Checks that some of the data record the task's progress."""
        if not np.isfinite(start.dataset.progress).any():
            raise InputError(
                f"the data in {start.dataset.root} do not say how the task progressed; valid are rollouts of "
                "`vla record --policy`, or a folder with some of them"
            )

    def weights(self, dataset: Dataset, chunk: int) -> Float32[np.ndarray, " n"]:
        """Weight of each window by its progress, between 0 and 1."""
        return progress_weights(gains(dataset, chunk), self.full)

    def source(self, learner: Learner, sampler: WindowSampler) -> BatchSource:
        """Source of the same windows as for cloning, with weights."""
        config, data = learner.config, learner.dataset
        weights = self.weights(data, config.data.chunk)
        sampler.close()
        return BatchSource(learner, window_sampler(config, data, sampler.cache, weights))


def gains(dataset: Dataset, chunk: int) -> Float[np.ndarray, " n"]:
    """Progress made in the `chunk` actions from each frame on, as far as the episode goes; nan if unknown."""
    last = np.repeat(dataset.starts + dataset.lengths - 1, dataset.lengths)
    end = np.minimum(np.arange(len(dataset)) + chunk - 1, last)
    return (dataset.progress[end, 1] - dataset.progress[:, 0]).astype(np.float64)


def progress_weights(gain: Float[np.ndarray, " n"], full: float) -> Float32[np.ndarray, " n"]:
    """Weights by gain: 1 above `full` and 0 for a loss; between, by comparison with the gains of all
    windows: 0 at two standard deviations below the mean, 1 at two above. 1 where the gain is nan."""
    known = gain[np.isfinite(gain)]
    mean, deviation = max(float(known.mean()), 0.0), float(known.std())
    soft = np.clip((gain - (mean - 2 * deviation)) / (4 * deviation + 1e-6), 0, 1)
    weights = np.where(gain > full, 1.0, np.where(gain >= 0, soft, 0.0))
    return np.where(np.isfinite(gain), weights, 1.0).astype(np.float32)
