"""Improvement of a trained policy by one of `train/algorithms/`: the result is a run like any other."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..policies.config_io import from_dict, to_dict
from ..policies.policy import Policy
from .algorithm import AlgorithmConfig, Start
from .batch_source import BatchSource, Learner
from .build import policy_spec
from .config import TrainConfig, differences
from .data.files import exclusive, read_json, write_sealed
from .data.hub import local_folder
from .data.windows import WindowSampler
from .data_sources import sources
from .evaluation import eval_target
from .initial_policy import PolicySource
from .loop import train

FILE = "improve.json"
"""File in the folder of an improved run that holds the algorithm and its settings."""


@dataclass(frozen=True)
class Improvement:
    """Improvement of a policy: the run it starts from, the algorithm, and the folder of the result."""

    run: str
    """Folder of the run whose policy goes on."""
    algorithm: AlgorithmConfig
    """Algorithm that improves the policy."""
    out: Path
    """Folder of the new run."""
    data: tuple[str, ...] = ()
    """Demonstrations, as `vla train --data` takes them; by default those that the policy was trained on."""
    seed: int | None = None
    """Seed of the order of the data, the scenes and all noise; by default that of the policy's training."""
    threads: int | None = None
    """CPU threads of torch; by default as many as the machine is fastest with."""

    def settings(self) -> dict[str, Any]:
        """The content of FILE."""
        return {"run": self.run, "algorithm": to_dict(self.algorithm, AlgorithmConfig)}


def improve(how: Improvement, *, bar: bool = True) -> Path:
    """Improves a policy in the folder `how.out` and returns the folder of the result, `how.out/policy`.

    The same call continues one that was stopped, bit-identically on a CPU, and loses at most the rollouts
    that were being played; it returns at once for a finished one.

    Raises:
        ValueError: the policy, the data or what `how.out` already holds does not fit; the algorithm needs
            something that is not there.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; what is needed to continue has been written.
    """
    config = _config(how)
    dataset = config.data.open()
    source = PolicySource.find(how.run)
    start = Start(how.run, source.load(config.policy, policy_spec(dataset, config.data)), dataset)
    how.algorithm.check(start)
    with exclusive(how.out / "state", wait=False):
        path = how.out / FILE
        if path.exists() and (found := differences(read_json(path), how.settings())):
            raise InputError(
                f"{how.out} holds a run with other settings: {'; '.join(found)}. Choose another folder"
            )
        write_sealed(path, how.settings())

    def make_source(learner: Learner, sampler: WindowSampler) -> BatchSource:
        return how.algorithm.source(learner, sampler)

    return train(config, how.out, bar=bar, make_source=make_source)


def _config(how: Improvement) -> TrainConfig:
    """The configuration of the new run."""
    target = eval_target(how.run)
    stored = target.results.parent / "config.json"
    if target.policy is None or stored.parent == target.policy or not stored.exists():
        raise InputError(
            f"'{how.run}' says nothing of how it was trained: give the folder of a run that `vla train` made"
        )
    config = how.algorithm.configured(from_dict(TrainConfig, read_json(stored)))
    data = replace(config.data, **sources(how.data)) if how.data else config.data
    for source in data.sources:
        if not local_folder(source).exists():
            raise InputError(f"the demonstrations of '{how.run}' are not in {source}: give them as --data")
    return replace(
        config,
        data=data,
        policy=Policy.load(target.policy).config,
        start_from=how.run,
        trunk_from=None,
        seed=config.seed if how.seed is None else how.seed,
        threads=how.threads,
    )
