"""Train a preset: `vla train PRESET --data FOLDER`; every setting is a flag, e.g. --optim.lr 3e-4."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...common.errors import InputError
from .. import catalog, presets
from ..data_sources import sources

if TYPE_CHECKING:
    from ..config import TrainConfig

POSITION = 50

USAGE = """usage: vla train PRESET --data FOLDER [FOLDER ...] [--out FOLDER] [--updates N] [--optim.lr X] ...

Train a policy. Interrupted at any time, the same command continues it; a finished run is left as it is, or
with more --updates trained for longer.

presets:
{presets}

A system of the field (docs/systems) has two sizes: `vla train pi0:size=published` is the published one.

vla train PRESET --help shows every setting of a preset (it imports torch: some seconds).
--data takes folders and names of datasets on the Hugging Face Hub (lerobot/pusht). Of several each is learned
from as often as its weight says: --data datasets/pick=3 datasets/stack=1.
The result is FOLDER/policy; `vla eval FOLDER` judges it. Without --out the run goes to runs/PRESET."""


def main(argv: list[str]) -> int:
    """Run `vla train PRESET [--flags]`."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE.format(presets=catalog.table(catalog.describe("presets"))))
        return 0
    preset, *flags = argv
    if preset.startswith("-"):
        raise InputError(f"the preset comes first, before {preset}. Known: {', '.join(presets.names())}")
    data, out, config = _parse(preset, flags)

    from ...policies.types import UNKNOWN_SPACE
    from ..data.files import read_json
    from ..evaluation import BEST
    from ..loop import train

    config = replace(config, data=replace(config.data, **sources(data))) if data else config
    folder = train(config, out)
    command, unseen = "vla eval {}", config.data.held_out
    if read_json(folder / "config.json")["spec"]["action_space"] == UNKNOWN_SPACE:
        command = f"vla open-loop {{}} {unseen or config.data.root}"
        best = "" if unseen else ", best from some that it did not learn from"
        print(
            "It learned from another program's data, and its robot is not simulated here: what can be said "
            f"is how far it is from demonstrations{best}. The robot, or another simulation, asks it by: "
            f"vla serve {out}"
        )
    print(f"The policy is in {folder}. Judge it: {command.format(out)}")
    if (best := out / BEST / "summary.json").exists():
        found = read_json(best)
        how = ", ".join(f"{name} {value:.3g}" for name, value in found[BEST].items() if name != "episodes")
        again = command.format(out / BEST)
        print(f"The best one on validation data, of update {found['updates']} ({how}): {again}")
    return 0


def _parse(preset: str, flags: list[str]) -> "tuple[tuple[str, ...], Path, TrainConfig]":
    """Parses the flags: --data, --out, and the preset's configuration with its changes."""
    build = presets.load(preset)
    default = functools.partial(build, Path("datasets") / "pick")

    import tyro

    from ...vision.checkpoints import leave_sizes
    from ..config import TrainConfig

    def parse(base: "Callable[[], TrainConfig]") -> "tuple[tuple[str, ...], Path, TrainConfig]":
        @dataclass(frozen=True)
        class Train:
            data: tuple[str, ...] = ()
            """Folder of the demonstrations, from `vla record`, or a name on the Hugging Face Hub; of several
            each may have a weight (datasets/pick=3). Short for --data.root, --data.others, --data.weights."""
            out: Path = Path("runs") / preset.replace(":", "-")
            """Folder of the run."""
            config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=base)

        Train.__doc__ = build.__doc__
        args = tyro.cli(Train, args=flags, prog=f"vla train {preset}", config=(tyro.conf.FlagCreatePairsOff,))
        return args.data, args.out, args.config

    data, out, config = parse(default)
    # Sizes of the preset do not speak against a checkpoint's, those in the flags do.
    before = default()
    base = leave_sizes(before, config)
    return (data, out, config) if base is before else parse(lambda: base)
