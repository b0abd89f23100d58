"""Validation of stored evaluations, which may come from anywhere and whose numbers reports trust."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ..common.errors import InputError

_TEXTS = ("policy", "checkpoint", "task", "sampling", "weights")
_COUNTS = ("seed_start", "lanes", "threads", "evaluations", "env_steps")
_AMOUNTS = ("wall_seconds", "undecodable")


def check_document(document: Mapping[str, Any], conditions: tuple[str, ...]) -> None:
    """Checks all fields of a result except its episodes.

    Raises:
        ValueError: an invalid field; the message names it and its value.
    """
    kinds: dict[str, Callable[[Any], bool]] = {name: _is_text for name in _TEXTS}
    kinds |= dict.fromkeys(_COUNTS, _is_count)
    kinds |= dict.fromkeys(_AMOUNTS, _is_amount)
    kinds |= dict.fromkeys(("chunk_ms_p50", "chunk_ms_p95"), lambda x: x is None or _is_amount(x))
    kinds |= dict.fromkeys(("spec", "versions", "execution"), lambda x: isinstance(x, dict))
    kinds["condition"] = lambda x: x in conditions
    for name, fits in kinds.items():
        if name in document and not fits(document[name]):
            raise InputError(f"{name} cannot be {document[name]!r}")


def check_episodes(rows: Any, outcomes: tuple[str, ...]) -> None:
    """Checks the rows of a result's episodes.

    Raises:
        ValueError: an invalid field; the message names the seed of the episode, the field, and its value.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError("episodes must be a list of objects")
    for row in rows:
        kinds = {
            "seed": _is_count(row.get("seed")),
            "outcome": row.get("outcome") in outcomes,
            "steps": _is_count(row.get("steps")),
            "progress": _is_amount(row.get("progress")) and row["progress"] <= 1,
            "stage": _is_text(row.get("stage")),
            "instruction": _is_text(row.get("instruction")),
            "error": row.get("error") is None or _is_text(row["error"]),
            "traceback": row.get("traceback") is None or _is_text(row["traceback"]),
            "mode": row.get("mode") is None or _is_text(row["mode"]),
        }
        for name, fits in kinds.items():
            if not fits:
                raise InputError(f"episode {row.get('seed')!r}: {name} cannot be {row.get(name)!r}")
    repeated = [seed for seed, count in Counter(row["seed"] for row in rows).items() if count > 1]
    if repeated:
        raise InputError(f"seed {repeated[0]} occurs twice")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
