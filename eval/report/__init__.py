"""Reports of comparisons, robustness, suites, and studies, rendered as HTML, Markdown, and JSON."""

from typing import TYPE_CHECKING

from ...common.public import lazy_exports

if TYPE_CHECKING:
    from .comparison import write_report as write_report
    from .robustness import write_robustness as write_robustness
    from .study import write_study as write_study
    from .suite import write_suite as write_suite

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
