"""RemotePolicy: a policy that another process serves, asked for one chunk at a time.

`vla serve` says what its policy expects (see server.py). Other servers of openpi's protocol say less, or
nothing: what they expect is declared in a file (see declared.py).
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from ...common.errors import VlaError
from ..types import PolicySpec
from .keys import SEED, STEP
from .wire import MAX_BYTES, packb, unpackb

PATIENCE = 60.0
"""Longest wait for a connection or an answer [s]."""
_TOLD = ("policy", "images", "image_size", "state", "state_dim", "instruction", "actions", "action_space",
         "action_dim", "chunk", "control_hz", "robot")  # fmt: skip


class RemoteError(VlaError, ValueError):
    """A server that cannot be reached, or that answers with something else; one sentence names it."""


class RefusedError(RemoteError):
    """The server is there, and refuses the observation."""


class RemotePolicy:
    """One connection, which is opened again when it dropped. To be used by one thread at a time."""

    def __init__(self, address: str, token: str = "", declared: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            address: e.g. "ws://127.0.0.1:8000".
            token: what the server asks for; empty: nothing.
            declared: what the policy expects, in the words of `PolicyServer.metadata`, in place of what the
                server says.

        Raises:
            RemoteError: there is no such server, or nobody says what its policy expects.
        """
        self.address, self._token = address, token
        self._socket: Any = None
        self._told = self._connect() | dict(declared or {})
        if missing := [name for name in _TOLD if name not in self._told]:
            raise RemoteError(
                f"{address} does not say {', '.join(missing)} of its policy, as `vla serve` does: declare it "
                "in a file (--declared)"
            )
        self.name = str(self._told["policy"])
        """Name of the policy, as the server calls it."""
        self.weights = str(self._told.get("weights", ""))
        """SHA-256 of its weights; empty if the server does not say."""
        self.spec = PolicySpec(
            cameras=tuple(self._told["images"]),
            state_dim=int(self._told["state_dim"]),
            action_dim=int(self._told["action_dim"]),
            chunk=int(self._told["chunk"]),
            action_space=str(self._told["action_space"]),
            control_hz=float(self._told["control_hz"]),
            image_size=int(self._told["image_size"]),
            robot=self._told["robot"] or None,
        )

    def act(
        self,
        images: UInt8[np.ndarray, "v h w 3"],
        state: Float32[np.ndarray, " s"],
        instruction: str,
        seed: int,
        step: int,
    ) -> Float32[np.ndarray, "k a"]:
        """A chunk, in the units of the action space.

        Args:
            images: of `spec.cameras`, in their order.
            state: proprioception.
            instruction: one sentence.
            seed: of the episode, from which the server draws the noise.
            step: control steps done in it.

        Raises:
            RemoteError: the server is gone, or refuses the observation.
        """
        keys = self._told
        names = keys["images"].values()
        request = {name: np.ascontiguousarray(image) for name, image in zip(names, images, strict=True)}
        request |= {keys["state"]: state, keys["instruction"]: instruction, SEED: seed, STEP: step}
        answer = self._ask(packb(request))
        if isinstance(answer, str):
            raise RefusedError(f"{self.address}: {answer}")
        chunk = unpackb(answer).get(keys["actions"])
        shape = (self.spec.chunk, self.spec.action_dim)
        if not isinstance(chunk, np.ndarray) or chunk.shape != shape or not np.isfinite(chunk).all():
            got = list(chunk.shape) if isinstance(chunk, np.ndarray) else type(chunk).__name__
            raise RemoteError(
                f"{self.address}: {keys['actions']!r} must be {list(shape)} finite numbers, got {got}"
            )
        return chunk.astype(np.float32)

    def close(self) -> None:
        """Ends the connection."""
        if self._socket is not None:
            self._socket.close()

    def _connect(self) -> dict[str, Any]:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        headers = {"Authorization": f"Api-Key {self._token}"} if self._token else None
        try:
            self._socket = connect(
                self.address, additional_headers=headers, open_timeout=PATIENCE, compression=None,
                max_size=MAX_BYTES,
            )  # fmt: skip
            told = self._socket.recv(PATIENCE)
        except (OSError, WebSocketException) as error:
            raise RemoteError(
                f"cannot connect to {self.address} ({error}): is `vla serve` running?"
            ) from None
        if not isinstance(told, bytes):
            raise RemoteError(f"{self.address} does not speak openpi's protocol")
        return unpackb(told)

    def _ask(self, message: bytes) -> str | bytes:
        from websockets.exceptions import WebSocketException

        for attempt in range(2):
            try:
                self._socket.send(message)
                return self._socket.recv(PATIENCE)
            except (OSError, WebSocketException) as error:
                if attempt:
                    raise RemoteError(f"{self.address} is gone ({error})") from None
                with suppress(OSError, WebSocketException):
                    self._socket.close()
                self._connect()
        raise AssertionError
