"""Noise-conditional action networks, one per file; the folder's listing is the registry."""

from .. import registry
from ..network import NetworkConfig


def names() -> list[str]:
    """Names of the networks, sorted."""
    return registry.names("networks")


def default_config(name: str) -> NetworkConfig:
    """Default configuration of the network `name`, one of `names()` or the dotted path of any module.

    Raises:
        ValueError: there is no such network.
    """
    return registry.default_config("networks", name, NetworkConfig)
