"""Declarations of policies behind a socket, as TOML files with the words of `PolicyServer.metadata`."""

import tomllib
from pathlib import Path
from typing import Any

from ...common.errors import InputError

TYPES: dict[str, type | tuple[type, ...]] = {
    "policy": str, "images": dict, "image_size": int, "state": str, "state_dim": int, "instruction": str,
    "actions": str, "action_space": str, "action_dim": int, "chunk": int, "control_hz": (int, float),
    "robot": str,
}  # fmt: skip
POSITIVE = ("image_size", "action_dim", "chunk", "control_hz")
DEFAULTS = {"policy": "policy", "instruction": "prompt", "actions": "actions", "robot": ""}
"""openpi's own keys, and a task's default robot."""


def load_declared(path: Path) -> dict[str, Any]:
    """Reads the declaration of a policy behind a socket:

        state = "observation/state"         # key of the state in a message
        state_dim = 10
        image_size = 224                    # side length of the images [px]
        action_space = "ee_delta"           # `vla list action-spaces`
        action_dim = 5
        chunk = 10                          # actions in one answer
        control_hz = 10
        [images]                            # camera of the environment -> key in a message
        front = "observation/image"
        wrist = "observation/wrist_image"

    policy (a name for people), instruction ("prompt"), actions ("actions") and robot (the task's own) may be
    given, too.

    Raises:
        ValueError: the file cannot be read, lacks something, or has something else; names it.
    """
    try:
        found: dict[str, Any] = DEFAULTS | tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the declaration in {path}: {error}") from error
    if unknown := sorted(found.keys() - TYPES.keys()):
        raise InputError(f"{path}: unknown {', '.join(unknown)}; valid: {', '.join(TYPES)}")
    if missing := [name for name in TYPES if name not in found]:
        raise InputError(f"{path}: {', '.join(missing)} missing")
    for name, kind in TYPES.items():
        value = found[name]
        if isinstance(value, bool) or not isinstance(value, kind) or (name in POSITIVE and value <= 0):
            raise InputError(f"{path}: {name} cannot be {value!r}")
    images = found["images"]
    if not images or not all(isinstance(key, str) for key in images.values()):
        raise InputError(f"{path}: images must name a key for at least one camera, got {images!r}")
    return found
