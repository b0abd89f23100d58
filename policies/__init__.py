"""Policies: a trunk, an action head on top of it, and the normalization around them.

`Policy.load(folder)` loads a trained policy; `policy.act(observation, generators)` returns chunks of actions.
A head derives from `ActionHead` and sees a `Prefix`; a network derives from `ActionNetwork`; a codec from
`ActionCodec`. `Execution` says which actions of a chunk are executed, and when.
"""

from typing import TYPE_CHECKING

from ..common.public import lazy_exports

if TYPE_CHECKING:
    from .codec import ActionCodec as ActionCodec
    from .codec import CodecConfig as CodecConfig
    from .execution import Execution as Execution
    from .execution import Executor as Executor
    from .head import ActionHead as ActionHead
    from .head import HeadConfig as HeadConfig
    from .language import LanguageBackbone as LanguageBackbone
    from .language import LanguageConfig as LanguageConfig
    from .network import ActionNetwork as ActionNetwork
    from .network import NetworkConfig as NetworkConfig
    from .normalizer import Normalizer as Normalizer
    from .policy import Policy as Policy
    from .policy import PolicyConfig as PolicyConfig
    from .policy_files import PolicyError as PolicyError
    from .trunk import Trunk as Trunk
    from .trunk import TrunkConfig as TrunkConfig
    from .types import Batch as Batch
    from .types import Grounding as Grounding
    from .types import Observation as Observation
    from .types import PolicySpec as PolicySpec
    from .types import Prefix as Prefix

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
