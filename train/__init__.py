"""Recording of demonstrations, training, evaluations that are kept, studies, and the command line.

`record(RecordConfig(...))` writes a LeRobotDataset; `train(config, out)` trains on it and returns the
policy's folder. Configurations come from `vlasandbox.train.presets`.
"""

from typing import TYPE_CHECKING

from ..common.public import lazy_exports

if TYPE_CHECKING:
    from .config import DataConfig as DataConfig
    from .config import TrainConfig as TrainConfig
    from .evaluation import EvalConfig as EvalConfig
    from .evaluation import EvalTarget as EvalTarget
    from .evaluation import eval_target as eval_target
    from .evaluation import evaluate_cached as evaluate_cached
    from .loop import train as train
    from .optim import OptimConfig as OptimConfig
    from .recording.record import RecordConfig as RecordConfig
    from .recording.record import RecordError as RecordError
    from .recording.record import record as record
    from .study import Point as Point
    from .study import Study as Study

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
