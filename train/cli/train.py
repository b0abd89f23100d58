"""Train a preset: `vla train PRESET --data FOLDER`; every setting is a flag, e.g. --optim.lr 3e-4."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from .. import catalog, presets

if TYPE_CHECKING:
    from ..config import TrainConfig

POSITION = 50

USAGE = """usage: vla train PRESET --data FOLDER [--out FOLDER] [--updates N] [--optim.lr 3e-4] ...

Train a policy. Interrupted at any time, the same command continues it; a finished run is left as it is.

presets:
{presets}

A system of the field (docs/systems) has two sizes: `vla train pi0:size=published` is the published one.

vla train PRESET --help shows every setting of a preset (it imports torch: some seconds).
The result is FOLDER/policy; `vla eval FOLDER` judges it. Without --out the run goes to runs/PRESET."""


def main(argv: list[str]) -> int:
    """Run `vla train PRESET [--flags]`."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE.format(presets=catalog.table(catalog.describe("presets"))))
        return 0
    preset, *flags = argv
    if preset.startswith("-"):
        raise ValueError(f"the preset comes first, before {preset}. Known: {', '.join(presets.names())}")
    data, out, config = _parse(preset, flags)

    from ...policies.types import UNKNOWN_SPACE
    from ..data.files import read_json
    from ..evaluation import BEST
    from ..loop import train

    root = data or config.data.root
    folder = train(replace(config, data=replace(config.data, root=root)), out)
    if read_json(folder / "config.json")["spec"]["action_space"] == UNKNOWN_SPACE:
        print(
            f"The policy is in {folder}. It learned from another program's data, and its robot is not "
            f"simulated here: compare it with demonstrations by vla open-loop {out} {root}"
        )
        return 0
    print(f"The policy is in {folder}. Judge it: vla eval {out}")
    if (best := out / BEST / "summary.json").exists():
        found = read_json(best)
        how = ", ".join(f"{name} {value:.3g}" for name, value in found[BEST].items() if name != "episodes")
        print(f"The best one on validation data, of update {found['updates']} ({how}): vla eval {out / BEST}")
    return 0


def _parse(preset: str, flags: list[str]) -> "tuple[Path | None, Path, TrainConfig]":
    """Parses the flags: --data, --out, and the preset's configuration with its changes."""
    build = presets.load(preset)
    default = functools.partial(build, Path("datasets") / "pick")

    import tyro

    from ...vision.checkpoints import leave_sizes
    from ..config import TrainConfig

    def parse(base: "Callable[[], TrainConfig]") -> "tuple[Path | None, Path, TrainConfig]":
        @dataclass(frozen=True)
        class Train:
            data: Path | None = None
            """Folder of the demonstrations, from `vla record`; short for --data.root."""
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
