"""Vision: image encoders, connectors to the language model, contrastive losses, and resizing.

An encoder derives from `VisionEncoder`, a connector from `Connector`; `encoders/` and `connectors/` hold
them.
"""

from typing import TYPE_CHECKING

from ..common.public import lazy_exports

if TYPE_CHECKING:
    from .connector import Connector as Connector
    from .connector import ConnectorConfig as ConnectorConfig
    from .contrastive import SigmoidLoss as SigmoidLoss
    from .contrastive import SoftmaxLoss as SoftmaxLoss
    from .encoder import EncoderConfig as EncoderConfig
    from .encoder import VisionEncoder as VisionEncoder
    from .images import resize_uint8 as resize_uint8

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
