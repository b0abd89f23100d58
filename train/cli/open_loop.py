"""Measure how far a policy's chunks are from demonstrations, step by step; nothing is simulated."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...eval.compare.motion import mean_known
from ...eval.table import Table
from ..evaluation import BEST, eval_target

POSITION = 70


@dataclass(frozen=True)
class OpenLoop:
    """Measure the open-loop error: the mean absolute error of each step of a chunk, over all frames.

    It says whether a policy has learned what was shown, in a minute. It does not say whether it succeeds: no
    mistake has consequences here. Record the demonstrations on seeds that the training had none of:
    `vla record pick --first-seed 990000 --episodes 20`.
    """

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run or a policy."""
    data: Annotated[Path, tyro.conf.Positional]
    """Demonstrations (`vla record`) that it has not learned from."""


def main(argv: list[str]) -> int:
    """Run `vla open-loop RUN DATA`."""
    args = tyro.cli(OpenLoop, args=argv, prog="vla open-loop")
    folder = eval_target(args.run).policy
    if folder is None:
        raise InputError(f"'{args.run}' is no trained policy: give the folder of a run that `vla train` made")
    from ...policies.policy import Policy
    from ..workflows.open_loop import known_episodes, open_loop_error

    error = open_loop_error(Policy.load(folder), args.data)
    run = folder.parent
    known, total = known_episodes(run.parent if run.name == BEST else run, args.data)
    rows = [[str(ahead), "-" if math.isnan(one) else f"{one:.3f}"] for ahead, one in enumerate(error)]
    print(Table(["steps ahead", "error"], [*rows, ["mean", f"{mean_known(error):.3f}"]]).aligned())
    print(
        "\nMean absolute error in the scale of the policy's action normalizer: it cannot be compared between "
        "action spaces, and its mean not between chunk lengths."
    )
    if known is None:
        print(
            "What the policy learned from is not known here: where these are the same, the error is too low."
        )
    elif known:
        print(
            f"Caution: the policy learned from {known} of these {total} episodes. There the error says what "
            "it remembers, not what it can do elsewhere."
        )
    return 0
