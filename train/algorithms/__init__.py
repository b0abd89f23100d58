"""Algorithms that improve a trained policy, one per file; the folder's listing is the registry.

Each module defines `Config`, a frozen dataclass whose defaults are a working choice.
"""

from ...common.registry import load_from, module_names
from ..algorithm import AlgorithmConfig


def names() -> list[str]:
    """Names of the algorithms, sorted; nothing is imported."""
    return module_names(__path__)


def default_config(name: str) -> AlgorithmConfig:
    """The default configuration of the algorithm `name`, one of `names()` or a module's dotted path.

    Raises:
        ValueError: there is no such algorithm.
    """
    return load_from("algorithm", name, "Config", names(), __name__)()
