"""Copy a trained policy to a folder for the Hugging Face Hub, with a model card."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import FileInTheWayError, InputError
from ...common.files import whole_folder
from ..evaluation import eval_target
from ..workflows.model_card import model_card

POSITION = 110


@dataclass(frozen=True)
class Export:
    """Copy a finished run's policy (model.safetensors, config.json, tokenizer) to a folder, and write its
    model card there.

    The card, README.md, has the Hub's metadata, the dataset's fingerprint, the seeds, the training budget,
    and the results that `vla eval` left in the run. Policy.load reads the folder as it is, and
    `hf upload NAME FOLDER` shares it.
    """

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a finished run."""
    out: Path
    """Folder to make."""
    license: str = "apache-2.0"
    """License of the weights, as the Hub spells it; a policy on a checkpoint is bound to the checkpoint's."""


def main(argv: list[str]) -> int:
    """Run `vla export RUN --out FOLDER`."""
    args = tyro.cli(Export, args=argv, prog="vla export")
    policy = eval_target(args.run).policy
    if policy is None:
        raise InputError(f"'{args.run}' is no trained policy: give the folder of a run that `vla train` made")
    card = model_card(policy.parent, args.license)
    if args.out.exists():
        raise FileInTheWayError(f"{args.out} exists already: remove it, or choose another folder")
    with whole_folder(args.out) as unfinished:
        shutil.copytree(policy, unfinished, dirs_exist_ok=True)
        (unfinished / "README.md").write_text(card, encoding="utf-8")
    print(f"{args.out.resolve()}: the policy and its model card, README.md")
    return 0
