"""Named runs: one preset a file, a function `config(data, ...)` that returns a full configuration.

Adding one is adding a file here. Files whose name starts with an underscore are shared parts, not presets.
A preset with parameters is called with them, as tasks are: "pi0:size=published"; several are separated by
commas. Every preset has the parameter `recipe`: "pi0:recipe=2026-11" learns as findings of that month did.
"""

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

from ...common.errors import InputError
from ...common.registry import check_name, module_names, parse_settings

Recipe = Literal["2026-12", "2026-11"]
"""Recipe of a preset's training, named by the month in which it was introduced; see `_recipe.py`."""
CURRENT: Recipe = "2026-12"

if TYPE_CHECKING:  # importing it imports torch, which a listing of names does not need
    from ..config import TrainConfig


def names() -> list[str]:
    """Names of the presets, sorted; none is imported."""
    return module_names(__path__)


def load(name: str) -> "Callable[..., TrainConfig]":
    """The function that builds the preset `name`; its first argument is the dataset's folder.

    Raises:
        ValueError: there is no such preset or parameter, or its value is not one of the valid ones.
    """
    name, _, parameters = name.partition(":")
    check_name("preset", name, names())
    config = importlib.import_module(f".{name}", __package__).config
    values = _parsed(name, config, parameters) if parameters else {}
    recipe = values.pop("recipe", CURRENT)

    @functools.wraps(config)
    def build(*args: Any, **kwargs: Any) -> "TrainConfig":
        from ._recipe import apply

        return apply(recipe, config(*args, **values, **kwargs))

    return build


def _parsed(name: str, config: "Callable[..., TrainConfig]", text: str) -> dict[str, Any]:
    """The parameters in "size=published,seed=1": those that are numbers or a choice."""
    known = {
        key: (parameter.default, get_args(parameter.annotation))
        for key, parameter in inspect.signature(config).parameters.items()
        if isinstance(parameter.default, int | str)
    }
    known["recipe"] = (CURRENT, get_args(Recipe))
    values: dict[str, Any] = {}
    for key, value in parse_settings(f"parameter of preset {name!r}", text).items():
        check_name(f"parameter of preset {name!r}", key, known)
        default, choices = known[key]
        if isinstance(default, str):
            values[key] = check_name(f"{key} of preset {name!r}", value, choices)
        elif value.isdecimal():
            values[key] = int(value)
        else:
            raise InputError(f"preset {name!r}: {key}={value!r} is not a whole number")
    return values
