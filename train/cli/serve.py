"""Serve a policy to robots and simulators: openpi's websocket protocol."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...eval.result import weights_of
from ...policies.remote.keys import MessageKeys
from ..evaluation import eval_target
from ..served_policy import TOKEN

POSITION = 75


@dataclass(frozen=True)
class Serve:
    """Serve a policy over a websocket, as openpi does: `openpi_client` and whatever else speaks its protocol
    drive it unmodified. What to send, and under which keys, is printed first.

    $ vla serve runs/flow
    $ VLA_TOKEN=secret vla serve runs/flow --host 0.0.0.0    for other machines; clients send the token
    $ vla serve packaged --keys libero.toml                  keys of a client of another suite

    A file of keys names the parts of a message: state, instruction and actions, and in [images] each camera.
    """

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a run or policy, or packaged."""
    host: str = "127.0.0.1"
    """Address to listen on; by default only this machine can connect."""
    port: int = 8000
    """Port; 0 takes any free one."""
    keys: Path | None = None
    """TOML file with the keys of messages."""
    sampling: str = ""
    """Settings of the head's sampling in place of the saved ones, e.g. steps=5."""


def main(argv: list[str]) -> int:
    """Run `vla serve RUN`."""
    args = tyro.cli(Serve, args=argv, prog="vla serve")
    who = eval_target(args.run)
    if who.policy is None:
        raise InputError("the expert sees the simulator's state, which nobody can send: name a run")
    keys = MessageKeys.load(args.keys) if args.keys else MessageKeys()

    from ...policies.policy import Policy
    from ...policies.remote.server import PolicyServer

    policy = Policy.load(who.policy, sampling=args.sampling)
    # Sampling settings make another policy of the same weights.
    weights = "" if args.sampling else weights_of(who.policy)
    server = PolicyServer(policy, who.name, keys, os.environ.get(TOKEN, ""), weights)
    for name, value in server.metadata.items():
        print(f"{name:<14} {value}")

    def ready(port: int) -> None:
        print(f"Serving {who.name} at ws://{args.host}:{port}; Ctrl-C ends it.", flush=True)

    asyncio.run(server.serve(args.host, args.port, ready))
    return 0
