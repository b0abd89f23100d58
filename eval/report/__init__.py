"""Reports of comparisons, robustness and studies: the only files that write HTML or SVG."""

from typing import TYPE_CHECKING

from ...common.public import lazy_exports

if TYPE_CHECKING:
    from .comparison import write_report as write_report
    from .robustness import write_robustness as write_robustness

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
