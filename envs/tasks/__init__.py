"""The tasks: one module each, named after the task, with a `Task` subclass of the same name in CamelCase.

Parameters follow the name, separated by commas: "insert_peg:clearance=0.001".
"""

import inspect
from typing import TYPE_CHECKING, Any

from ...common.errors import InputError
from ...common.registry import camel_case, check_module, check_name, load_from, module_names, parse_settings

if TYPE_CHECKING:
    from ..task import Task


def names() -> list[str]:
    """Names of the tasks in this folder, sorted."""
    return module_names(__path__)


def check(name: str) -> str:
    """Returns `name` if such a task exists; parameters are not checked.

    Raises:
        ValueError: there is no such task.
    """
    check_module("task", name.partition(":")[0], names())
    return name


def expand(text: str) -> list[str]:
    """Tasks in "pick+stack"; "suite" stands for all tasks of this folder that need one arm.

    Raises:
        ValueError: there is no such task.
    """
    if text == "suite":
        return [name for name in names() if task_class(name).num_arms == 1]
    return [check(name) for name in text.split("+")]


def task_class(name: str) -> "type[Task]":
    """Class of a task; parameters are not checked.

    Raises:
        ValueError: there is no such task.
    """
    name = name.partition(":")[0]
    return load_from("task", name, camel_case(name), names(), __name__)


def load(name: str, robot: str | None = None) -> "Task":
    """Builds the task called `name` for `robot`, or for the task's default robot.

    A dotted name such as `my_package.stack` loads anyone's module.

    Raises:
        ValueError: unknown task, parameter or robot, or a robot with the wrong number of arms.
    """
    from .. import robots

    task = task_class(name)
    name, _, parameters = name.partition(":")
    robot_name: str = robot or task.default_robot
    arms = robots.load(robot_name)
    if len(arms) != task.num_arms:
        raise InputError(
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
    for key, value in parse_settings(f"parameter of task {name!r}", text).items():
        check_name(f"parameter of task {name!r}", key, defaults)
        try:
            values[key] = type(defaults[key])(value)
        except ValueError:
            kind = type(defaults[key]).__name__
            raise InputError(f"task {name!r}: {key}={value!r} is not of type {kind}") from None
    return values
