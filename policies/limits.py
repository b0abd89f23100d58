"""Bounds on what a saved policy may ask for: its files may come from anyone, and their numbers are sizes."""

import math
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from ..common.errors import VlaError

LARGEST = {
    "chunk": 4096,
    "history": 1024,
    "image_size": 8192,
    "instruction_tokens": 4096,
    "encoders": 64,
    "draws": 1024,
    "steps": 100_000,
    "train_steps": 100_000,
    "rounds": 1000,
    "levels": 1_000_000,
}
"""Largest value of sizes that are not a dimension of any tensor in the file."""
ANY_SIZE = 2**24
"""Largest value of any other size, unless the file has as many numbers: more than a vocabulary has words."""
_SPARE = 2**26
"""Numbers that a model may allocate beyond a multiple of those in its file: position tables, masks."""
_LEAST = 2**11
"""Minimum count of numbers per tensor: the module around it takes as much memory as so many numbers."""


class LimitError(VlaError, ValueError):
    """A saved policy asks for more memory or time than its weights can justify."""


def check_sizes(value: Any, numbers: int, path: str) -> None:
    """Rejects impossible sizes before anything is built.

    Args:
        value: JSON value with sizes at any depth.
        numbers: count of numbers in the file of weights.
        path: path of `value`, for the message.

    Raises:
        LimitError: names the size, its value and the largest valid one.
    """
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        where = f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]"
        largest = LARGEST.get(str(key), max(numbers, ANY_SIZE))
        if isinstance(item, int | float) and not -largest <= item <= largest:
            raise LimitError(f"{where} is {item}, but must be at most {largest}")
        check_sizes(item, numbers, where)


class MemoryBound(TorchDispatchMode):
    """Context in which allocating many more tensors than a model with so many weights needs is an error; the
    tensor that exceeds the bound takes no memory."""

    def __init__(self, numbers: int) -> None:
        """Sets the bound; `numbers` is the count of numbers in the file of weights."""
        super().__init__()
        self._left = 8 * numbers + _SPARE

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Counts what `func` is about to allocate, if it makes tensors from nothing but their shape."""
        size = args[0] if args else ()
        if func.overloadpacket.__name__ == "arange":
            size = [max(abs(x) for x in args if isinstance(x, int | float))]
        elif func.overloadpacket.__name__.startswith("new_"):
            size = args[1]
        if isinstance(size, list | tuple) and all(isinstance(x, int | float) for x in size):
            self._left -= max(math.prod(size), _LEAST)
            if self._left < 0:
                raise LimitError("its configuration asks for far more memory than its weights take")
        return func(*args, **(kwargs or {}))
