"""The tasks: one module each, named as the task, holding a `Task` subclass of the same name in CamelCase.

A task with parameters is called with them: "insert_peg:clearance=0.001"; several are separated by commas.
"""

import importlib
import importlib.util
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

from ..names import check_name

if TYPE_CHECKING:
    from ..task import Task


def names() -> list[str]:
    """Tasks in this folder, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check(name: str) -> str:
    """`name`, if there is such a task; parameters are not looked at.

    Raises:
        ValueError: there is none.
    """
    module = name.partition(":")[0]
    if "." not in module:
        check_name("task", module, names())
    elif not _exists(module):
        raise ValueError(
            f"unknown task {module!r}: no such module; valid: {', '.join(names())}, or a module's dotted name"
        )
    return name


def expand(text: str) -> list[str]:
    """The tasks in "pick+stack"; "suite" is all of this folder for one arm.

    Raises:
        ValueError: no such task.
    """
    if text == "suite":
        return [name for name in names() if task_class(name).num_arms == 1]
    return [check(name) for name in text.split("+")]


def task_class(name: str) -> "type[Task]":
    """The class of a task; parameters are not looked at.

    Raises:
        ValueError: no such task.
    """
    name = check(name).partition(":")[0]
    module = importlib.import_module(name if "." in name else f".{name}", __package__)
    class_name = camel_case(name.rpartition(".")[2])
    if not hasattr(module, class_name):
        raise ValueError(f"task {name!r}: the module has no class {class_name}")
    return getattr(module, class_name)


def load(name: str, robot: str | None = None) -> "Task":
    """The task called `name` for `robot` (its own default one if not given).

    A dotted name, `my_package.stack`, loads anyone's module.

    Raises:
        ValueError: no such task, parameter or robot, or a robot with another number of arms than it needs.
    """
    from .. import robots

    task = task_class(name)
    name, _, parameters = name.partition(":")
    robot_name: str = robot or task.default_robot
    arms = robots.load(robot_name)
    if len(arms) != task.num_arms:
        raise ValueError(
            f"task {name!r} needs {task.num_arms} arms, but robot {robot_name!r} has {len(arms)}"
        )
    for arm in arms:
        arm.limits = task.limits(arm.limits)
    return task(arms, **_parsed(name, task, parameters))


def camel_case(name: str) -> str:
    """`stack_cubes` -> `StackCubes`."""
    return "".join(part.capitalize() for part in name.split("_"))


def _exists(dotted: str) -> bool:
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _parsed(name: str, task: type["Task"], text: str) -> dict[str, Any]:
    defaults = {
        key: parameter.default
        for key, parameter in inspect.signature(task).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    values: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, _, value = item.partition("=")
        check_name(f"parameter of task {name!r}", key, defaults)
        try:
            values[key] = type(defaults[key])(value)
        except ValueError:
            kind = type(defaults[key]).__name__
            raise ValueError(f"task {name!r}: {key}={value!r} is not of type {kind}") from None
    return values
