"""Demonstrations: LeRobotDataset v3.0 on disk, the cache of decoded frames, and training windows."""

from typing import TYPE_CHECKING

from ...common.public import lazy_exports

if TYPE_CHECKING:
    from .cache import frame_cache as frame_cache
    from .dataset import Dataset as Dataset
    from .files import DatasetError as DatasetError
    from .merge import open_data as open_data
    from .windows import WindowSampler as WindowSampler

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
