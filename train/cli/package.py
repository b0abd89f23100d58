"""Put a trained policy into this package, so that `vla demo` has one right after installation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ...policies import packaged
from ..evaluation import EvalConfig, default_evaluation

POSITION = 115


@dataclass(frozen=True)
class Package:
    """Put a finished run's policy into this checkout, from which wheels are built, with a model card.

    Weights are rounded to bf16, 4 MiB at most. The rounded policy is judged on what it learned, and the card
    says how well it does. Settings of sampling (`--sampling temperature=0`) become the policy's own.
    """

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a finished run, or RUN/best."""
    out: Path = packaged.FOLDER
    """Folder of the packaged policy."""
    license: str = "apache-2.0"
    """License of the weights, as the Hugging Face Hub spells it."""
    evaluation: Annotated[EvalConfig, tyro.conf.arg(name="")] = field(default_factory=default_evaluation)


def main(argv: list[str]) -> int:
    """Run `vla package RUN`."""
    args = tyro.cli(Package, args=argv, prog="vla package")
    from ..workflows.package import package

    package(args.run, args.out, args.evaluation, args.license)
    size = (args.out / "model.safetensors").stat().st_size
    print(f"{args.out.resolve()}: {size / 2**20:.2f} MiB of weights, and the model card, README.md")
    return 0
