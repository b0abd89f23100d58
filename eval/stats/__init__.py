"""Statistics: intervals, paired tests, corrections for many pairs. Numbers in, numbers out."""

from typing import TYPE_CHECKING

from ...common.public import lazy_exports

if TYPE_CHECKING:
    from .paired import PairedTable as PairedTable
    from .paired import mcnemar_exact as mcnemar_exact
    from .paired import paired_interval as paired_interval
    from .paired import paired_table as paired_table
    from .paired import required_pairs as required_pairs
    from .paired import resolvable_paired as resolvable_paired
    from .paired import wilson as wilson
    from .pairwise import PairwiseComparison as PairwiseComparison
    from .pairwise import compare_pairs as compare_pairs
    from .pairwise import group_letters as group_letters
    from .pairwise import holm as holm
    from .random_effects import Estimate as Estimate
    from .random_effects import estimate as estimate
    from .sequential import compare_sequentially as compare_sequentially

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
