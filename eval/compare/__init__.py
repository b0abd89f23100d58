"""Comparisons of finished evaluations: success rates, paired differences, robustness, statements."""

from typing import TYPE_CHECKING

from ...common.public import lazy_exports

if TYPE_CHECKING:
    from .comparison import Comparison as Comparison
    from .comparison import compare as compare
    from .robustness import PerturbedTrial as PerturbedTrial
    from .robustness import SuccessDrop as SuccessDrop
    from .score import SuccessRate as SuccessRate

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
