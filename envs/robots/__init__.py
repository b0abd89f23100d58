"""The robots: one module each, with a function `arms()` that returns its arms."""

from typing import TYPE_CHECKING

from ...common.registry import load_from, module_names

if TYPE_CHECKING:
    from ..robot import Robot


def names() -> list[str]:
    """Names of the robots in this folder, sorted."""
    return module_names(__path__)


def load(name: str) -> "tuple[Robot, ...]":
    """Arms of the robot called `name`; a dotted name loads anyone's module.

    Raises:
        ValueError: there is no such robot.
    """
    return load_from("robot", name, "arms", names(), __name__)()
