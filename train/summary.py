"""Clock of the training loop, and the summary of a finished run."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from ..common.versions import TRAINING, recorded_versions
from .checkpoint import Progress
from .config import TrainConfig
from .data.dataset import Dataset
from .initial_policy import PolicySource, Setting


@runtime_checkable
class Waits(Protocol):
    """Anything that makes the loop wait."""

    @property
    def wait_seconds(self) -> float:
        """Time for which the loop was kept waiting, in all [s]."""
        ...


class Clock:
    """Time spent in the loop, over all resumes of the run."""

    def __init__(self, before: Progress, source: Waits) -> None:
        self._before, self._source = before, source
        self._wall, self._cpu = _now()
        self._waited = source.wait_seconds
        self._stopped: tuple[float, float] | None = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Context whose time does not count as time of the training."""
        self._stopped = wall, cpu = _now()
        try:
            yield
        finally:
            self._stopped, (later, more) = None, _now()
            self._wall += later - wall
            self._cpu += more - cpu

    def progress(self, step: int) -> Progress:
        """Progress of the run after `step` updates."""
        wall, cpu = self._stopped or _now()
        return replace(
            self._before,
            step=step,
            wall_seconds=self._before.wall_seconds + wall - self._wall,
            cpu_seconds=self._before.cpu_seconds + cpu - self._cpu,
            wait_seconds=self._before.wait_seconds + self._source.wait_seconds - self._waited,
        )

    def rates(self, step: int, batch_size: int) -> dict[str, float]:
        """Metrics of speed after `step` updates."""
        now = self.progress(step)
        return {
            "samples_per_second": step * batch_size / now.wall_seconds,
            "wait_share": now.wait_seconds / now.wall_seconds,
            "wall_seconds": now.wall_seconds,
            "cpu_seconds": now.cpu_seconds,
        }


def _now() -> tuple[float, float]:
    """Wall and processor time [s]."""
    return time.perf_counter(), time.process_time()


def summary(progress: Progress, config: TrainConfig, model: nn.Module, dataset: Dataset) -> dict[str, Any]:
    """The content of summary.json."""
    device = next(model.parameters()).device
    return {
        "updates": progress.step,
        "samples": progress.step * config.batch_size,
        "train_wall_seconds": progress.wall_seconds,
        "train_cpu_seconds": progress.cpu_seconds,
        "samples_per_second": progress.step * config.batch_size / progress.wall_seconds,
        "wait_share": progress.wait_seconds / progress.wall_seconds,
        "demonstrations": len(dataset.lengths),
        "frames": len(dataset),
        "dataset": {
            "root": str(dataset.root),
            "task": (dataset.spec_dict or {}).get("task"),
            "fingerprint": dataset.fingerprint,
        },
        "start_from": _source(config.start_from, "start_from"),
        "trunk_from": _source(config.trunk_from, "trunk_from"),
        "parameters": {
            name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
        },
        "peak_memory_bytes": _peak_memory(),
        "peak_device_memory_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "precision": config.precision,
        "threads": progress.threads,
        "versions": recorded_versions(TRAINING, python=True),
    }


def _source(name: str | None, setting: Setting) -> dict[str, str] | None:
    """The policy that a training started from, if it did."""
    return None if name is None else PolicySource.find(name, setting).summary()


def _peak_memory() -> int:
    """Largest resident size of this process so far [bytes]; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
