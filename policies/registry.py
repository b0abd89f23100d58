"""Registry by folder: heads, networks and codecs are found by the name of their module.

Each module defines `Config`, a frozen dataclass whose defaults are a working choice. A dotted name is
anyone's module: `heads.default_config("my_package.spline")` works like `heads.default_config("flow")`.
"""

import difflib
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from typing import TypeVar

ConfigT = TypeVar("ConfigT")


def names(folder: str) -> list[str]:
    """Sorted names of the modules in `policies/<folder>/`; nothing is imported."""
    listing = pkgutil.iter_modules([str(Path(__file__).parent / folder)])
    return sorted(module.name for module in listing if not module.name.startswith("_"))


def default_config(folder: str, name: str, base: type[ConfigT]) -> ConfigT:
    """Default `Config` of one module, `name` in `policies/<folder>/` or a dotted path to any module.

    Raises:
        ValueError: there is no such module, or it has no `Config` deriving from `base`.
    """
    valid = names(folder)
    if name in valid:
        module = importlib.import_module(f".{folder}.{name}", __package__)
    elif "." in name and _exists(name):
        module = importlib.import_module(name)
    else:
        close = difflib.get_close_matches(name, valid, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        kind, listed = folder.removesuffix("s"), ", ".join(valid)
        raise ValueError(f"unknown {kind} {name!r}; valid: {listed}, or the dotted path of a module.{hint}")
    config = getattr(module, "Config", None)
    if not (isinstance(config, type) and issubclass(config, base)):
        raise ValueError(f"module {name!r} defines no Config deriving from {base.__name__}")
    return config()


def _exists(dotted: str) -> bool:
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:
        return False
