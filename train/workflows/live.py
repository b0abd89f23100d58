"""Serves the live page for some policies."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ...envs import tasks
from ...envs.config import EnvConfig
from ...policies import packaged
from ..evaluation import EvalTarget, eval_target
from ..served_policy import SCHEMES, TOKEN
from .demo import default_task


async def live(runs: Sequence[str], task: str | None, seed: int, host: str, port: int, record: Path) -> None:
    """Serves until it is cancelled or SIGTERM comes; what is being recorded then becomes part of its dataset.

    Args:
        runs: folders of runs or policies, "packaged", "expert", or addresses (ws://...) of policies that are
            served elsewhere, with the token of the environment variable VLA_TOKEN; the packaged policy if
            there are none.
        task: first task; by default one that the first policy learned.
        seed: first scene.
        host: address to listen on.
        port: 0 for any free one.
        record: folder for the datasets that are recorded on the page.

    Raises:
        ValueError: an unknown task.
        FileNotFoundError: there is no policy in a folder.
        RemoteError: an address where no policy is served.
        OSError: the port is taken.
    """
    remote = [run for run in runs if run.startswith(SCHEMES)]
    targets = [eval_target(run) for run in runs if run not in remote]
    if not runs:
        targets = [_packaged()]
    task = tasks.check(task or (default_task(targets[0]) if targets else EnvConfig.task))
    print(f"Loading {', '.join([target.name for target in targets] + remote)} ...", flush=True)

    from ...eval.live.local_player import LocalPlayer  # imports torch
    from ...eval.live.player import Player
    from ...eval.live.remote_player import RemotePlayer
    from ...eval.live.server import LivePage
    from ...eval.live.session import Session
    from ..recording.live import LiveStore

    players: list[Player] = [
        LocalPlayer(who.name, who.policy, task) for who in targets if who.policy is not None
    ]
    players += [RemotePlayer(address, os.environ.get(TOKEN, "")) for address in remote]

    def session(page: LivePage) -> Session:
        return Session(players, task, seed, page, LiveStore(record))

    page = LivePage(session, host, port)
    serving = asyncio.create_task(
        page.run(lambda address: print(f"Live at {address}\nCtrl-C ends it.", flush=True))
    )
    with suppress(NotImplementedError):  # Windows has no such signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        here = asyncio.current_task()
        if here is not None and here.cancelling():  # Ctrl-C
            raise


def _packaged() -> EvalTarget:
    try:
        return eval_target(packaged.NAME)
    except FileNotFoundError:
        print("This build carries no policy of its own: the scripted expert moves the robot.")
        return eval_target("expert")
