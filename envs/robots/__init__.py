"""The robots: one module each, with a function `arms()` that gives the arms it consists of."""

import importlib
import pkgutil
from typing import TYPE_CHECKING

from ..names import check_name

if TYPE_CHECKING:
    from ..robot import Robot


def names() -> list[str]:
    """Robots in this folder, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> "tuple[Robot, ...]":
    """The arms of the robot called `name`; a dotted name loads anyone's module.

    Raises:
        ValueError: no such robot.
    """
    if "." in name:
        return importlib.import_module(name).arms()
    return importlib.import_module(f".{check_name('robot', name, names())}", __package__).arms()
