"""Messages in msgpack with numpy arrays, as openpi_client packs them, and nothing else: no pickle, no
extension types.

An array is the map {b"__ndarray__": True, b"data": bytes, b"dtype": str, b"shape": [...]}, a numpy scalar
the map {b"__npgeneric__": True, b"data": number, b"dtype": str}.
"""

import math
from typing import Any

import numpy as np

from ...common.errors import AbsentPackageError, VlaError

MAX_BYTES = 32 * 2**20
"""Longest message that is read [bytes]: ten color images of a megapixel."""
KINDS = "biuf"
"""Kinds of numbers that an array may hold: booleans, integers, and floats."""


class WireError(VlaError, ValueError):
    """A message that cannot be read."""


def packb(message: dict[str, Any]) -> bytes:
    """Packs a message of plain Python values and numpy arrays."""
    return _msgpack().packb(message, default=_to_map)


def unpackb(data: bytes) -> dict[str, Any]:
    """Unpacks a message from anybody.

    Raises:
        WireError: too long, not msgpack, not a map, or an array whose bytes do not fit its shape and type.
    """
    if len(data) > MAX_BYTES:
        raise WireError(f"a message of {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        message = _msgpack().unpackb(data, object_hook=_from_map, max_ext_len=0)
    except WireError:
        raise
    except Exception as error:  # msgpack raises a dozen kinds, ValueError and StackError among them
        raise WireError(f"the message is not msgpack ({type(error).__name__}: {error})") from error
    if not isinstance(message, dict):
        raise WireError(f"the message is a {type(message).__name__}, not a map")
    return message


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError as error:
        hint = "policies behind a socket need msgpack: pip install 'vlasandbox[serve]'"
        raise AbsentPackageError(hint) from error
    return msgpack


def _to_map(value: Any) -> dict[bytes, Any]:
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        data = np.ascontiguousarray(value).tobytes()
        return {b"__ndarray__": True, b"data": data, b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"cannot send a {type(value).__name__}")


def _from_map(value: dict[Any, Any]) -> Any:
    if b"__ndarray__" in value:
        dtype, shape = _dtype(value), value.get(b"shape")
        data = value.get(b"data")
        if not (
            isinstance(shape, list)
            and all(type(n) is int and n >= 0 for n in shape)
            and isinstance(data, bytes)
            and len(data) == math.prod(shape) * dtype.itemsize
        ):
            raise WireError(f"an array of shape {shape} and type {dtype} does not have that many bytes")
        return np.frombuffer(data, dtype).reshape(shape)
    if b"__npgeneric__" in value:
        dtype, number = _dtype(value), value.get(b"data")
        if not isinstance(number, bool | int | float):
            raise WireError(f"a scalar of type {dtype} holds a {type(number).__name__}")
        return dtype.type(number)
    return value


def _dtype(value: dict[Any, Any]) -> np.dtype:
    name = value.get(b"dtype")
    try:
        dtype = np.dtype(name) if isinstance(name, str) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in KINDS:
        raise WireError(f"an array of type {name!r}; booleans, integers and floats are read")
    return dtype
