"""Knowledge insulation (arXiv 2505.23705, as in pi0.5): the trunk learns from tokens, an expert acts on it.

Actions are learned twice. As tokens, predicted by the trunk itself, they train the trunk; by flow matching,
in an expert whose gradient stops at the trunk's keys and values, they become the actions to execute. The
expert's gradient, large and noisy at first, cannot undo what a pretrained trunk knows, and acting needs no
token-by-token decoding.

    may attend to       prefix    tokens    expert's actions
    prefix              yes       no        no
    tokens              yes       causal    no
    expert's actions    detached  no        yes

The two kinds of action tokens never meet: each extends the same prefix on its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...common.errors import InputError
from ..codecs import fast
from ..head import ActionHead, HeadConfig
from ..trunk import Trunk
from ..types import Prefix
from .flow import Config as FlowConfig
from .flow import Flow
from .tokens import Config as TokensConfig
from .tokens import Tokens


@dataclass(frozen=True)
class Config(HeadConfig):
    """Two heads on one trunk."""

    SAMPLING = ("flow.steps", "flow.temperature")

    tokens: TokensConfig = field(
        default_factory=lambda: TokensConfig(codec=fast.Config(), decoding="autoregressive")
    )
    """Token head that trains the trunk."""
    flow: FlowConfig = field(default_factory=FlowConfig)
    """Flow head that acts. Its network must read the prefix alone: one that runs the trunk again would train
    it."""
    alpha: float = 1.0
    """Weight of the flow's loss; 10 in the second stage of pi0.5. The losses share no parameters, so for Adam
    it is their ratio in the clipped norm of the gradient."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Insulated":
        """Builds the head for `trunk`.

        Raises:
            ValueError: a weight that is not positive and finite, a flow network that runs the trunk again, or
                an impossible option of either part.
        """
        if not 0 < self.alpha < math.inf:
            raise InputError(f"alpha must be positive and finite, got {self.alpha}")
        spoken = self.tokens.build(trunk, chunk, action_dim)
        flow = self.flow.build(trunk, chunk, action_dim)
        if flow.network.runs_trunk:
            name = type(self.flow.network).__module__.rpartition(".")[2]
            raise InputError(f"insulated: flow.network {name} runs the trunk, and so would teach it")
        return Insulated(spoken, flow, self.alpha)


class Insulated(ActionHead):
    """Cross-entropy through the trunk, and a flow head that does not train it."""

    def __init__(self, spoken: Tokens, flow: Flow, alpha: float) -> None:
        super().__init__()
        self.tokens, self.flow, self.alpha = spoken, flow, alpha

    @property
    def num_function_evaluations(self) -> int:
        """Evaluations of the flow head."""
        return self.flow.num_function_evaluations

    def fit(self, actions: Float[Tensor, "n k a"], generator: torch.Generator) -> None:
        """Fits the codec of the tokens."""
        self.tokens.fit(actions, generator)

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Cross-entropy of the tokens [nats] plus alpha times the squared error of the velocity."""
        said, metrics = self.tokens.loss(prefix, actions, mask, generator)
        error, flow_metrics = self.flow.loss(insulate(prefix), actions, mask, generator)
        return said + self.alpha * error, metrics | flow_metrics

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Samples the flow's chunk; no token is decoded."""
        return self.flow.sample(prefix, generators)


def insulate(prefix: Prefix) -> Prefix:
    """Returns the prefix, detached from the gradient."""
    images = prefix.image_tokens
    return replace(
        prefix,
        hidden=prefix.hidden.detach(),
        keys=[x.detach() for x in prefix.keys],
        values=[x.detach() for x in prefix.values],
        image_tokens=None if images is None else images.detach(),
    )
