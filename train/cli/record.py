"""Record demonstrations of a task's scripted expert, or rollouts of a policy, as a LeRobotDataset v3.0."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...envs import tasks
from ...envs.config import EnvConfig
from ...envs.expert import NoiseConfig
from ..perturbed_tasks import check_perturbed_tasks
from ..recording.record import RecordConfig, record

POSITION = 40


@dataclass(frozen=True)
class Recorded(EnvConfig):
    """`EnvConfig` with the task as the command's argument."""

    task: Annotated[str, tyro.conf.Positional] = tyro.MISSING
    """Task to record (`vla list tasks`); several as pick+stack, or suite for all single-arm ones: each gets a
    dataset of its own inside OUT, and training on OUT takes them all."""


_OF_POLICIES = ("robot", "action_space", "control_hz", "image_size", "cameras")
"""Settings of the environment that a policy brings."""


@dataclass(frozen=True)
class Record(RecordConfig):
    """Record demonstrations. Interrupted at any time it keeps all finished episodes and can be run again."""

    root: Annotated[Path, tyro.conf.arg(name="out")]
    env: Annotated[Recorded, tyro.conf.arg(name="")] = field(default_factory=Recorded)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    clean: bool = False
    """Record without disturbances."""
    policy: str | None = None
    """Record this policy in place of the expert, failures included: the folder of a run. It decides robot,
    action space, control rate, cameras and image size, and nobody disturbs it."""

    def __post_init__(self) -> None:
        given = [name for name in _OF_POLICIES if getattr(self.env, name) != getattr(EnvConfig, name)]
        given += ["noise"] * (self.noise != NoiseConfig()) + ["clean"] * self.clean
        if self.policy is not None and given:
            raise InputError(f"{', '.join(given)}: not with --policy, which brings its own")


def main(argv: list[str]) -> int:
    """`vla record TASK --out FOLDER`."""
    args = tyro.cli(Record, args=argv, prog="vla record", config=(tyro.conf.FlagCreatePairsOff,))
    names = tasks.expand(args.env.task)
    check_perturbed_tasks(args.env.perturb, names)
    for name in names:
        root = args.root / name.replace(":", ",") if len(names) > 1 else args.root
        env = replace(args.env, task=name)
        if args.policy is not None:
            _record_policy(args, args.policy, env, root)
            continue
        noise = None if args.clean else args.noise
        record(RecordConfig(root, args.episodes, env, noise, args.first_seed, args.workers))
        print(f"{args.episodes} demonstrations of {name} in {root}")
    return 0


def _record_policy(args: Record, policy: str, env: EnvConfig, root: Path) -> None:
    from ..recording.rollouts import RolloutRecordConfig, record_rollouts  # imports torch

    first = {} if args.first_seed == Record.first_seed else {"first_seed": args.first_seed}
    record_rollouts(RolloutRecordConfig(root, policy, env, args.episodes, workers=args.workers, **first))
    print(f"{args.episodes} episodes of {policy} on {env.task} in {root}")
