"""Named runs: one preset a file, a function `config(data, ...)` that returns a full configuration.

Adding one is adding a file here. Files whose name starts with an underscore are shared parts, not presets.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it imports torch, which a listing of names does not need
    from ..config import TrainConfig


def names() -> list[str]:
    """Names of the presets, sorted; none is imported."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> "Callable[..., TrainConfig]":
    """The function that builds the preset `name`; its first argument is the dataset's folder.

    Raises:
        ValueError: there is no such preset.
    """
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise ValueError(f"unknown preset '{name}'.{hint} Known: {', '.join(names())}")
    return importlib.import_module(f".{name}", __package__).config
