"""Record demonstrations of a task's scripted expert, on all cores, as a LeRobotDataset v3.0."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

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
    """Axes in which episodes differ from the nominal ones: camera=0-3,light=0-3 is domain randomisation."""
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    """Disturbances from which the expert recovers."""
    first_seed: int = RecordConfig.first_seed
    """Seed of the first attempt; the next ones follow. Two recordings that share no seed share no scene."""
    clean: bool = False
    """Record without disturbances."""
    workers: int | None = None
    """Simulation processes; one per core by default."""


def main(argv: list[str]) -> int:
    """`vla record TASK --out FOLDER`."""
    args = tyro.cli(Record, args=argv, prog="vla record", config=(tyro.conf.FlagCreatePairsOff,))
    names = tasks.expand(args.task)
    check_perturbed_tasks(args.perturb, names)
    for name in names:
        root = args.out / name.replace(":", ",") if len(names) > 1 else args.out
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
