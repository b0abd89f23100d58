"""Open a page on which you type what a robot should do, watch it, push things, and swap the policy."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...envs.seeds import VALIDATION
from ..workflows.live import live

POSITION = 7


@dataclass(frozen=True)
class Live:
    """Serve a page to your browser. Several policies, and always the expert and you, can move the same robot.

    $ vla live                                        the policy that comes with this package
    $ vla live runs/flow runs/tokens --task stack     two of yours to choose from
    $ vla live ws://127.0.0.1:8000                    a policy that `vla serve` serves
    $ vla live expert                                 no policy: watch the expert, or drive the robot yourself
    $ vla live --host 0.0.0.0                         for other machines; the printed address has a token

    Only this machine can connect unless you say --host. Ctrl-C ends it.
    """

    runs: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Folders of runs or policies, addresses of served ones, packaged or expert; packaged by default, and the
    expert where this build carries no policy."""
    task: str | None = None
    """First task; by default one that the first policy learned."""
    seed: int = VALIDATION.start
    """First scene."""
    host: str = "127.0.0.1"
    """Address or name to listen on."""
    port: int = 8013
    """Port; 0 for any free one."""
    record: Path = Path("datasets/live")
    """Folder for what is recorded on the page: a LeRobotDataset for each task, which grows."""


def main(argv: list[str]) -> int:
    """Run `vla live [RUN ...]`."""
    args = tyro.cli(Live, args=argv, prog="vla live")
    asyncio.run(live(args.runs, args.task, args.seed, args.host, args.port, args.record))
    return 0
