"""Action codecs, one per file; the folder's listing is the registry."""

from .. import registry
from ..codec import CodecConfig


def names() -> list[str]:
    """Names of the codecs, sorted."""
    return registry.names("codecs")


def default_config(name: str) -> CodecConfig:
    """Default configuration of the codec `name`, one of `names()` or the dotted path of any module.

    Raises:
        ValueError: there is no such codec.
    """
    return registry.default_config("codecs", name, CodecConfig)
