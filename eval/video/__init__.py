"""Videos of episodes: replayed exactly, annotated, encoded."""

from typing import TYPE_CHECKING

from ...common.public import lazy_exports

if TYPE_CHECKING:
    from .encode import write_video as write_video

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
