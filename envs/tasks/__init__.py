"""The tasks: one module each, named as the task, holding a `Task` subclass of the same name in CamelCase."""

import importlib
import pkgutil
from typing import TYPE_CHECKING

from ..names import check_name

if TYPE_CHECKING:
    from ..task import Task


def names() -> list[str]:
    """Tasks in this folder, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> "Task":
    """The task called `name`; a dotted name, `my_package.stack`, loads anyone's module.

    Raises:
        ValueError: no such task.
    """
    if "." in name:
        module = importlib.import_module(name)
    else:
        module = importlib.import_module(f".{check_name('task', name, names())}", __package__)
    return getattr(module, camel_case(name.rpartition(".")[2]))()


def camel_case(name: str) -> str:
    """`stack_cubes` -> `StackCubes`."""
    return "".join(part.capitalize() for part in name.split("_"))
