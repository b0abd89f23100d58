"""Record demonstrations of a task's scripted expert, or rollouts of a policy, as a LeRobotDataset v3.0."""

from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from ...envs import tasks
from ...envs.expert import NoiseConfig
from ..perturbed_tasks import check_perturbed_tasks
from ..recording.record import RecordConfig, record

POSITION = 40


@dataclass(frozen=True)
class Record:
    """Record demonstrations. Interrupted at any time it keeps all finished episodes and can be run again."""

    task: Annotated[str, tyro.conf.Positional]
    """Task to record (`vla list tasks`); several as pick+stack, or suite for all single-arm ones: each gets a
    dataset of its own inside OUT, and training on OUT takes them all."""
    out: Path
    """Folder of the dataset; one that holds episodes with the same settings is continued."""
    episodes: int = RecordConfig.episodes
    """Successful episodes that each dataset shall have."""
    robot: str | None = None
    """Robot (`vla list robots`); the task's default one if not given."""
    action_space: str = RecordConfig.action_space
    """What an action means (`vla list action-spaces`)."""
    control_hz: float = RecordConfig.control_hz
    """Control rate, a whole number [Hz]."""
    image_size: int = RecordConfig.image_size
    """Height and width of the pictures, even [px]."""
    wording: str = RecordConfig.wording
    """How instructions are put: plain, train (many ways) or held_out (ways that train has not)."""
    combinations: str = RecordConfig.combinations
    """Attribute combinations to ask for: all, train or held_out."""
    perturb: str = ""
    """Axes in which episodes differ from the nominal ones: camera=0-3,light=0-3 is domain randomization."""
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    """Disturbances from which the expert recovers."""
    first_seed: int = RecordConfig.first_seed
    """Seed of the first attempt; the next ones follow. Two recordings that share no seed share no scene."""
    clean: bool = False
    """Record without disturbances."""
    workers: int | None = None
    """Simulation processes; one per core by default."""
    policy: str | None = None
    """Record this policy in place of the expert, failures included: the folder of a run. It decides robot,
    action space, control rate and image size, and nobody disturbs it."""

    def __post_init__(self) -> None:
        own = {"robot", "action_space", "control_hz", "image_size", "noise", "clean"}
        given = [f.name for f in fields(self) if f.name in own and getattr(self, f.name) != _default(f)]
        if self.policy is not None and given:
            raise ValueError(f"{', '.join(given)}: not with --policy, which brings its own")


def main(argv: list[str]) -> int:
    """`vla record TASK --out FOLDER`."""
    args = tyro.cli(Record, args=argv, prog="vla record", config=(tyro.conf.FlagCreatePairsOff,))
    names = tasks.expand(args.task)
    check_perturbed_tasks(args.perturb, names)
    for name in names:
        root = args.out / name.replace(":", ",") if len(names) > 1 else args.out
        if args.policy is not None:
            _record_policy(args, args.policy, name, root)
            continue
        record(
            RecordConfig(
                root=root,
                episodes=args.episodes,
                task=name,
                robot=args.robot,
                action_space=args.action_space,
                control_hz=args.control_hz,
                image_size=args.image_size,
                wording=args.wording,
                combinations=args.combinations,
                perturb=args.perturb,
                noise=None if args.clean else args.noise,
                first_seed=args.first_seed,
                workers=args.workers,
            )
        )
        print(f"{args.episodes} demonstrations of {name} in {root}")
    return 0


def _record_policy(args: Record, policy: str, task: str, root: Path) -> None:
    from ..recording.rollouts import RolloutRecordConfig, record_rollouts  # imports torch

    first = {} if args.first_seed == Record.first_seed else {"first_seed": args.first_seed}
    varied = {name: getattr(args, name) for name in ("wording", "combinations", "perturb")}
    record_rollouts(
        RolloutRecordConfig(
            root, policy, task, args.episodes, variation=varied, workers=args.workers, **first
        )
    )
    print(f"{args.episodes} episodes of {policy} on {task} in {root}")


def _default(of: "Field[Any]") -> Any:
    return of.default_factory() if callable(of.default_factory) else of.default
