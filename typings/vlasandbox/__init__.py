"""A laboratory for vision-language-action (VLA) policies: one trunk, swappable heads, honest comparisons.

Its packages are `envs`, `vision`, `policies`, `train` and `eval`. This file is the `__init__` of `vlasandbox`
itself; setup.py maps it and the top-level folders to their places.
"""

from typing import TYPE_CHECKING

__all__ = ["__version__"]

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module 'vlasandbox' has no attribute {name!r}")
    from importlib.metadata import version  # only when asked for: it reads files

    return version("vlasandbox")
