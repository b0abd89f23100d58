"""How a trained policy goes on learning: one algorithm a file; the folder's listing is the registry.

Each module defines `Config`, a frozen dataclass whose defaults are a working choice.
"""

import pkgutil

from ...envs.registry import load_from
from ..algorithm import AlgorithmConfig


def names() -> list[str]:
    """Names of the algorithms, sorted; nothing is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def default_config(name: str) -> AlgorithmConfig:
    """The default configuration of the algorithm `name`, one of `names()` or a module's dotted path.

    Raises:
        ValueError: there is no such algorithm.
    """
    return load_from("algorithm", name, "Config", names(), __name__)()
