"""ActionNetwork: f(x, t, prefix) -> chunk, the network under every continuous objective. See networks/.

Flow matching, diffusion and regression call the same network; regression feeds zeros at t = 0, so that it is
matched exactly in architecture and size (the protocol of arXiv 2512.01809).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from ..common.errors import InputError
from .trunk import Trunk
from .types import Prefix

Evaluation = Callable[[Float[Tensor, "b k a"]], Float[Tensor, "b k a"]]
"""Function f(., t, prefix) that maps a chunk to a prediction."""


@dataclass(frozen=True)
class NetworkConfig(ABC):
    """Base class of every action network's configuration."""

    @abstractmethod
    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "ActionNetwork":
        """Builds the network for `trunk`."""


class ActionNetwork(nn.Module, ABC):
    """A noise-conditional function of an action chunk and a prefix. t = 0 is noise, t = 1 is data."""

    runs_trunk: ClassVar[bool] = False
    """True if it extends the prefix, i.e. runs tokens of its own through the trunk."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""

    def prepare(self, prefix: Prefix) -> Prefix:
        """Returns the prefix with whatever else this network derives from it alone (masks, positions), to be
        passed to many evaluations in place of `prefix`: a sampler calls this once per chunk."""
        return prefix

    def at(self, times: Float[Tensor, " s"], prefix: Prefix) -> list[Evaluation]:
        """Functions f(., t, prefix) for each of `times`, to be called by a sampler in this order.

        A network may precompute, for all times at once, whatever does not depend on the chunk.
        """
        known = self.prepare(prefix)
        return [partial(self, t=t, prefix=known) for t in times.unsqueeze(1).expand(-1, len(prefix.mask))]


def check_sizes(config: NetworkConfig, *names: str) -> None:
    """Rejects a size below 1.

    Raises:
        ValueError: names the field of `config` and its value.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise InputError(f"network: {name} must be at least 1, got {getattr(config, name)}")
