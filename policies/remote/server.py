"""Serves a policy to whoever speaks openpi's websocket protocol, e.g. `openpi_client`.

The `websockets` package does the talking: MuJoCo's own tools depend on it, so that it is there already, and a
web framework would add nothing to one endpoint.
"""

import asyncio
import hmac
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import numpy as np
import torch

from ...common.errors import InputError, VlaError
from ...common.loopback import is_loopback
from ..policy import Policy
from ..types import Observation
from .keys import SEED, STEP, MessageKeys
from .wire import MAX_BYTES, packb, unpackb


class RequestError(VlaError, ValueError):
    """A request that the policy cannot answer; the message goes back to the client."""


class PolicyServer:
    """One policy, any number of clients; their requests are answered one after the other."""

    def __init__(
        self,
        policy: Policy,
        name: str,
        keys: MessageKeys | None = None,
        token: str = "",
        weights: str = "",
    ) -> None:
        """
        Args:
            policy: in evaluation mode.
            name: what clients are told that it is called.
            keys: what the parts of a message are called.
            token: what clients must send as `Authorization: Api-Key TOKEN`; empty: nothing.
            weights: SHA-256 of the weights, by which clients know the policy again.

        Raises:
            ValueError: the policy sees past frames, which the protocol does not carry, or `keys` names a
                camera that it does not have.
        """
        if policy.spec.history > 1:
            raise InputError(
                f"the policy sees {policy.spec.history} frames at once (data.history), and the protocol "
                "carries one: serve a policy without a history"
            )
        self.policy, self.name, self.keys, self._token = policy, name, keys or MessageKeys(), token
        self._weights = weights
        unknown = self.keys.images.keys() - set(policy.spec.cameras)
        if unknown:
            there = ", ".join(policy.spec.cameras)
            raise InputError(f"the policy has no camera {', '.join(sorted(unknown))}; it has {there}")
        # One thread: the policy is not asked twice at once, and torch keeps its number of threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="policy")

    @property
    def metadata(self) -> dict[str, Any]:
        """First message to a client: what the policy expects and what it answers."""
        spec, keys = self.policy.spec, self.keys
        return {
            "server": "vlasandbox",
            "policy": self.name,
            "images": {camera: keys.image(camera) for camera in spec.cameras},
            "image_size": spec.image_size,
            "state": keys.state,
            "state_dim": spec.state_dim,
            "instruction": keys.instruction,
            "actions": keys.actions,
            "action_space": spec.action_space,
            "action_dim": spec.action_dim,
            "chunk": spec.chunk,
            "control_hz": spec.control_hz,
            "robot": spec.robot or "",
            "weights": self._weights,
        }

    def answer(self, request: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
        """The chunk for one observation.

        Args:
            request: an image for each camera, the state, and the instruction, under their keys.
            generator: source of the noise.

        Raises:
            RequestError: a part is missing or is not what the policy expects; names it.
        """
        if SEED in request and request.get(STEP, 0) == 0:
            generator.manual_seed(int(request[SEED]) % 2**63)
        observation = self._observation(request)
        begin = time.perf_counter()
        chunk = self.policy.act(observation, [generator])[0].float().cpu().numpy()
        return {
            self.keys.actions: chunk,
            "server_timing": {"infer_ms": 1000 * (time.perf_counter() - begin)},
        }

    def _observation(self, request: dict[str, Any]) -> Observation:
        spec, keys = self.policy.spec, self.keys
        expected = [*(keys.image(camera) for camera in spec.cameras), keys.instruction]
        expected += [keys.state] if spec.state_dim else []
        if missing := [key for key in expected if key not in request]:
            there = ", ".join(map(str, request)) or "nothing"
            raise RequestError(f"the observation lacks {', '.join(missing)}; it has {there}")
        images = [request[keys.image(camera)] for camera in spec.cameras]
        for camera, image in zip(spec.cameras, images, strict=True):
            shape = getattr(image, "shape", ())
            square = len(shape) == 3 and shape[0] == shape[1] > 0 and shape[2] == 3
            if not square or image.dtype != np.uint8 or shape != images[0].shape:
                raise RequestError(
                    f"{keys.image(camera)} must be uint8 [n, n, 3], of one size for all cameras (the policy "
                    f"learned from {spec.image_size}), got {getattr(image, 'dtype', type(image).__name__)} "
                    f"{list(shape)}"
                )
        state = request[keys.state] if spec.state_dim else np.zeros(0, np.float32)
        try:
            state = np.asarray(state, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise RequestError(f"{keys.state} holds no numbers ({error})") from error
        if state.shape != (spec.state_dim,) or not np.isfinite(state).all():
            raise RequestError(
                f"{keys.state} must be {spec.state_dim} finite numbers, got shape {list(state.shape)}"
            )
        instruction = request[keys.instruction]
        if not isinstance(instruction, str) or not instruction.strip():
            raise RequestError(f"{keys.instruction} must be a sentence, got {instruction!r}")
        pixels = torch.from_numpy(np.stack(images)[None])
        return Observation(pixels, torch.tensor(state)[None], [instruction])

    async def serve(self, host: str, port: int, ready: Callable[[int], None] | None = None) -> None:
        """Answers until it is cancelled.

        Args:
            host: address to listen on. Without a token, only one of this machine's own.
            port: 0 takes any free one.
            ready: called with the port once clients can connect.

        Raises:
            ValueError: other machines could connect, and there is no token.
            OSError: the port is taken.
        """
        from websockets.asyncio.server import serve

        if not self._token and not is_loopback(host):
            raise InputError(f"{host} can be reached from other machines: give a --token, or use 127.0.0.1")
        # A browser names the page that it comes from; a program does not. No page may drive the policy.
        options: dict[str, Any] = {"origins": [None], "max_size": MAX_BYTES, "compression": None}
        async with serve(self._talk, host, port, process_request=self._admit, **options) as server:
            if ready is not None:
                ready(next(iter(server.sockets)).getsockname()[1])
            await server.serve_forever()

    def _admit(self, connection: Any, request: Any) -> Any:
        if request.path == "/healthz":
            return connection.respond(HTTPStatus.OK, "OK\n")
        sent = request.headers.get("Authorization", "")
        if self._token and not hmac.compare_digest(sent.encode(), f"Api-Key {self._token}".encode()):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "a token is needed\n")
        return None

    async def _talk(self, connection: Any) -> None:
        generator = torch.Generator(self.policy.device).manual_seed(0)
        loop = asyncio.get_running_loop()
        await connection.send(packb(self.metadata))
        async for message in connection:
            try:
                if not isinstance(message, bytes):
                    raise RequestError("an observation comes in a binary frame, not as text")
                answer = await loop.run_in_executor(self._thread, self._answered, message, generator)
            except ValueError as error:  # WireError and RequestError
                await connection.send(str(error))
            else:
                await connection.send(answer)

    def _answered(self, message: bytes, generator: torch.Generator) -> bytes:
        return packb(self.answer(unpackb(message), generator))
