"""The tasks: one module each, named as the task, holding a `Task` subclass of the same name in CamelCase."""

import importlib
import importlib.util
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
    if "." not in name:
        module = importlib.import_module(f".{check_name('task', name, names())}", __package__)
    elif _exists(name):
        module = importlib.import_module(name)
    else:
        raise ValueError(
            f"unknown task {name!r}: no such module; valid: {', '.join(names())}, or a module's dotted name"
        )
    task = camel_case(name.rpartition(".")[2])
    if not hasattr(module, task):
        raise ValueError(f"task {name!r}: the module has no class {task}")
    return getattr(module, task)()


def _exists(dotted: str) -> bool:
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def camel_case(name: str) -> str:
    """`stack_cubes` -> `StackCubes`."""
    return "".join(part.capitalize() for part in name.split("_"))
