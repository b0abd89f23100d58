"""Gymnasium space of instructions that survives the shared memory of `gymnasium.vector.AsyncVectorEnv`.

gymnasium reads text from shared memory once, when the vector is created; here text is read whenever the
observation is accessed or copied, as its arrays are.
"""

import multiprocessing
import string
from collections.abc import Sequence
from typing import Any

from gymnasium import spaces
from gymnasium.vector.utils import (
    batch_differing_spaces,
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)

from ..common.errors import InputError

MAX_INSTRUCTION = 200
"""Longest instruction [characters]."""
CHARACTERS = string.ascii_letters + string.digits + " ,.'-"
"""Characters allowed in instructions."""
_BYTES = 4 * MAX_INSTRUCTION  # of UTF-8, of the longest instruction


class InstructionSpace(spaces.Text):
    """Sentences of up to MAX_INSTRUCTION characters out of CHARACTERS."""

    def __init__(self) -> None:
        super().__init__(MAX_INSTRUCTION, charset=CHARACTERS)


class SharedInstructions(Sequence[str]):
    """Instructions last written by the workers of a vector; a deep copy is a tuple of strings."""

    def __init__(self, buffer: Any, n: int) -> None:
        self._buffer, self._n = buffer, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self)[index]
        start = range(self._n)[index] * _BYTES
        return bytes(self._buffer.get_obj()[start : start + _BYTES]).rstrip(b"\0").decode()

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        return repr(tuple(self))


# Registered for the exact type, unlike everything else, which this space inherits from `spaces.Text`.
@batch_differing_spaces.register(InstructionSpace)
def _batch(spaces_: Sequence[InstructionSpace]) -> spaces.Tuple:
    return spaces.Tuple(spaces_)


@create_shared_memory.register(InstructionSpace)
def _create(space: InstructionSpace, n: int = 1, ctx: Any = multiprocessing) -> Any:
    return ctx.Array("B", n * _BYTES)


@read_from_shared_memory.register(InstructionSpace)
def _read(space: InstructionSpace, shared_memory: Any, n: int = 1) -> Any:
    return SharedInstructions(shared_memory, n)


@write_to_shared_memory.register(InstructionSpace)
def _write(space: InstructionSpace, index: int, value: str, shared_memory: Any) -> None:
    text = value.encode()
    if len(text) > _BYTES:
        raise InputError(f"instruction {value[:40]!r}... is longer than {MAX_INSTRUCTION} characters")
    shared_memory.get_obj()[index * _BYTES : (index + 1) * _BYTES] = text.ljust(_BYTES, b"\0")
