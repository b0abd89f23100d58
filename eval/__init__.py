"""Evaluation: episodes played by a policy, the statistics of their outcomes, comparisons and reports.

`evaluate(policy, task, seeds)` plays episodes and returns an `EvalResult`; `compare([...])` of
`eval.compare` pairs results by seed; `write_report` of `eval.report` writes what they show.
"""

from typing import TYPE_CHECKING

from ..common.public import lazy_exports

if TYPE_CHECKING:
    from .result import Condition as Condition
    from .result import EpisodeResult as EpisodeResult
    from .result import EvalResult as EvalResult
    from .result import ResultError as ResultError
    from .rollout.evaluate import evaluate as evaluate
    from .rollout.lane_player import EvaluationError as EvaluationError
    from .training_record import TrainingRecord as TrainingRecord

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
