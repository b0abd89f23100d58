"""Registry by folder: heads, networks and codecs are found by the name of their module.

Each module defines `Config`, a frozen dataclass whose defaults are a working choice. A dotted name is
anyone's module: `heads.default_config("my_package.spline")` works like `heads.default_config("flow")`.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import TypeVar

from ..common.errors import InputError
from ..common.registry import check_name, module_names

ConfigT = TypeVar("ConfigT")


def names(folder: str) -> list[str]:
    """Sorted names of the modules in `policies/<folder>/`; nothing is imported."""
    return module_names([str(Path(__file__).parent / folder)])


def default_config(folder: str, name: str, base: type[ConfigT]) -> ConfigT:
    """Default `Config` of one module, `name` in `policies/<folder>/` or a dotted path to any module.

    Raises:
        ValueError: there is no such module, or it has no `Config` deriving from `base`.
    """
    if "." in name and _exists(name):
        module = importlib.import_module(name)
    else:
        kind = folder.removesuffix("s")
        check_name(kind, name, names(folder), more=", or the dotted path of a module")
        module = importlib.import_module(f".{folder}.{name}", __package__)
    config = getattr(module, "Config", None)
    if not (isinstance(config, type) and issubclass(config, base)):
        raise InputError(f"module {name!r} defines no Config deriving from {base.__name__}")
    return config()


def _exists(dotted: str) -> bool:
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:
        return False
