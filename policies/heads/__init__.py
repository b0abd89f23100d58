"""Action representations, one per file; the folder's listing is the registry."""

from .. import registry
from ..head import HeadConfig


def names() -> list[str]:
    """Names of the heads, sorted."""
    return registry.names("heads")


def default_config(name: str) -> HeadConfig:
    """Default configuration of the head `name`, one of `names()` or the dotted path of any module.

    Raises:
        ValueError: there is no such head.
    """
    return registry.default_config("heads", name, HeadConfig)
