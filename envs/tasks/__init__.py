"""The tasks: one module each, named as the task, holding a `Task` subclass of the same name in CamelCase.

A task with parameters is called with them: "insert_peg:clearance=0.001"; several are separated by commas.
"""

import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

from ..registry import camel_case, check_module, check_name, load_from

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
    check_module("task", name.partition(":")[0], names())
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
    name = name.partition(":")[0]
    return load_from("task", name, camel_case(name), names(), __name__)


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
