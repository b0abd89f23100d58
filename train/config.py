"""TrainConfig: everything that decides how a run goes. Presets in presets/ build it, `vla train` edits it."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..common.errors import InputError
from ..policies.config_io import from_dict, to_dict
from ..policies.policy import PolicyConfig
from .data.dataset import Dataset
from .data.files import read_object
from .data.merge import open_data
from .log import WandbMode
from .optim import OptimConfig

MAY_CHANGE = (
    "data.root", "data.others", "data.cache", "data.held_out", "device", "threads", "checkpoint_every",
    "eval_every", "eval_episodes", "wandb",
)  # fmt: skip
"""Settings that a resumed run may have changed; the dataset itself is known by its fingerprint."""


@dataclass(frozen=True)
class DataConfig:
    """Demonstrations, and how windows are cut from them."""

    root: Path
    """Folder of the dataset (LeRobotDataset v3.0), or of several that are then trained on together; or a name
    on the Hugging Face Hub."""
    others: tuple[Path, ...] = ()
    """Further datasets, trained on together with the first."""
    weights: tuple[float, ...] = ()
    """Weights of the first dataset and of each of the others, in proportion; by default as if all were in one
    folder."""
    cache: Path | None = None
    """Folder for the decoded frames; ~/.cache/vlasandbox/frames by default (or $VLASANDBOX_FRAMES)."""
    held_out: Path | None = None
    """Demonstrations that nothing is learned from (`vla record --first-seed 990000`). The loss on them is
    shown at every checkpoint, or every `eval_every` updates; the policy with the lowest is in RUN/best."""
    action_space: str | None = None
    """Space of the actions to learn; the dataset's own by default, others are converted exactly."""
    chunk: int = 8
    """Actions predicted at once."""
    history: int = 1
    """Frames seen at once: the present one and those before it."""
    failures: bool = False
    """Whether to learn from recorded episodes that failed, too."""

    def __post_init__(self) -> None:
        for name in ("chunk", "history"):
            if getattr(self, name) < 1:
                raise InputError(f"data.{name} must be at least 1, got {getattr(self, name)}")
        fits = len(self.weights) == 1 + len(self.others) and all(0 < w < math.inf for w in self.weights)
        if self.weights and not fits:
            raise InputError(
                f"data.weights must be {1 + len(self.others)} numbers above 0, one for each dataset, got "
                f"{self.weights}"
            )

    @property
    def sources(self) -> tuple[Path, ...]:
        """`root` and the others."""
        return self.root, *self.others

    @property
    def exists(self) -> bool:
        """Whether all that is learned from lies in folders of this machine."""
        return all(source.exists() for source in self.sources)

    def open(self) -> Dataset:
        """Opens all that is learned from as one dataset.

        Raises:
            DatasetError: see `open_data`.
        """
        return open_data(self.root, self.others, self.weights, failures=self.failures)


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    data: DataConfig
    """Demonstrations."""
    policy: PolicyConfig
    """Policy to train."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimizer and learning rate."""
    trunk_from: str | None = None
    """Start from the trunk of a trained policy: the folder of a run, or `packaged` for the policy that this
    package carries. The head starts anew. By default the trunk, too, starts from random weights."""
    start_from: str | None = None
    """Go on from a trained policy: the folder of a run, or `packaged` for the policy that this package
    carries. Its weights, normalization and vocabulary are kept; it must be a policy as it is trained here."""
    updates: int = 2000
    """Optimizer updates of the whole run."""
    batch_size: int = 32
    """Windows per update."""
    grad_accumulation: int = 1
    """Parts that a batch is split into, one backward pass each: less memory, the same gradient."""
    ema_decay: float = 0.99
    """Decay of the averaged weights, which are the run's result; 0 takes the last weights."""
    seed: int = 0
    """Decides the initialization, the order of the data and all noise."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Precision of the forward and backward pass; weights and optimizer are always fp32. auto: bf16 on a GPU
    or CPU with units for it, fp32 elsewhere; a run stores which it was, and resumes in that one."""
    compile: bool = False
    """Whether to run the loss through torch.compile: a minute of start-up, no gain on two CPU cores."""
    device: str = "auto"
    """cpu, cuda, cuda:N; auto is CUDA where there is one."""
    threads: int | None = None
    """CPU threads of torch; by default as many as make updates fastest when the run begins. It keeps them."""
    checkpoint_every: int = 500
    """Updates between two checkpoints."""
    eval_every: int = 0
    """Updates between two evaluations on validation seeds, each with a video in RUN/videos; 0: none. The
    policy with the highest success is kept in RUN/best. The training is the same with and without."""
    eval_episodes: int = 20
    """Validation episodes of each evaluation, for each task that is learned."""
    wandb: WandbMode = "off"
    """Also log to Weights & Biases: offline keeps the files in the run's folder, online sends them."""

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "grad_accumulation", "checkpoint_every", "eval_episodes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.batch_size % self.grad_accumulation:
            raise InputError(
                f"batch_size {self.batch_size} cannot be split into grad_accumulation = "
                f"{self.grad_accumulation} equal parts"
            )
        if self.trunk_from is not None and self.start_from is not None:
            raise InputError("trunk_from starts the head anew and start_from keeps it: choose one")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay must be in [0, 1), got {self.ema_decay}")
        if self.eval_every < 0:
            raise InputError(f"eval_every must not be negative, got {self.eval_every}")
        if self.seed < 0:
            raise InputError(f"seed must not be negative, got {self.seed}")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads must be at least 1, got {self.threads}")


def settings(config: TrainConfig) -> dict[str, Any]:
    """JSON-able form of `config`, the content of config.json."""
    parts = {name: to_dict(getattr(config, name)) for name in ("data", "policy", "optim")}
    return vars(config) | parts


def stored_settings(path: Path) -> dict[str, Any]:
    """The settings in the config.json at `path`. A field that it lacks was added after the run began; it
    counts as having its default, with which a new field must leave everything as it was.

    Raises:
        ValueError: a field or value is none of this program's.
    """
    stored = read_object(path)
    try:
        return settings(from_dict(TrainConfig, stored))
    except ValueError as error:
        raise InputError(f"{path} was written by another version of this program ({error})") from error


def differences(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> list[str]:
    """Each setting that differs between two resolved configurations and may not, with both values."""
    found = []
    for name in sorted(there.keys() | here.keys()):
        path, old, new = prefix + name, there.get(name), here.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, path + ".")
        elif old != new and path not in MAY_CHANGE:
            found.append(f"{path} is {old!r} there and {new!r} here")
    return found
