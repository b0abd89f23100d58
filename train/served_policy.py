"""ServedPolicy: a policy that another process serves, as the command line names it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..policies.remote.declared import load_declared

if TYPE_CHECKING:
    from ..policies.remote.client import RemotePolicy
    from ..policies.types import PolicySpec

SCHEMES = ("ws://", "wss://")
TOKEN = "VLA_TOKEN"
"""Environment variable with the token of a policy's server; a command line would show it to everybody."""


@dataclass(frozen=True)
class ServedPolicy:
    """Address of a policy, and what is known of it."""

    address: str
    declared: Mapping[str, Any] | None
    """Declaration of its observations and actions (see `load_declared`); None if its server says them."""
    name: str
    """Name for people and folders."""
    spec: "PolicySpec"
    weights: str
    """SHA-256 of its weights; empty if the server does not say: then no result of it is used again."""

    @staticmethod
    def find(text: str) -> "ServedPolicy":
        """The policy at "ws://HOST:PORT", or "ws://HOST:PORT,FILE" with a declaration.

        Raises:
            RemoteError: no policy is served there.
            ValueError: the declaration cannot be read.
        """
        address, _, file = text.partition(",")
        declared = load_declared(Path(file)) if file else None
        policy = _connect(address, declared)
        policy.close()
        name = re.sub(r"[^\w.@-]+", "-", f"{policy.name}@{address.partition('//')[2]}").strip("-")
        return ServedPolicy(address, declared, name, policy.spec, policy.weights)

    def connect(self) -> "RemotePolicy":
        """Opens a connection.

        Raises:
            RemoteError: the server is gone.
        """
        return _connect(self.address, self.declared)


def _connect(address: str, declared: Mapping[str, Any] | None) -> "RemotePolicy":
    from ..policies.remote.client import RemotePolicy  # imports torch

    return RemotePolicy(address, os.environ.get(TOKEN, ""), declared)
