"""The action expert of pi0.5 (arXiv 2504.16054): pi0's, with time in the norms instead of in the tokens.

Time passes through an MLP and then, per norm, through a linear layer that gives a scale, a shift and, for
the norm of a sublayer f, a gate ("adaRMS" in openpi):

    x + gate * f((1 + scale) * norm(x) + shift)

Those linear layers start at zero, so every layer starts as the identity and the network as a linear map of
its normalized input tokens. As in expert.py the norm is a layer norm, and each token has a slot embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..network import Evaluation, NetworkConfig, check_sizes
from ..trunk import Trunk
from ..types import Prefix
from ._joint_attention import ExpertPrefix, JointAttention, SharedAttention, matrix, norm
from ._sines import of_time
from ._step_attention import Attend, step_attention


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Width and MLP of the expert; depth, heads and their width are the trunk's. pi0.5's has width 1024 and
    mlp 4096."""

    width: int = 96
    """Width of the residual stream."""
    mlp: int = 192
    """Hidden width of the gated MLP."""
    causal: bool = False
    """Whether each action sees only the actions before it; otherwise it sees all (pi0.5)."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "AdaRMSExpert":
        """Builds the network for `trunk`.

        Raises:
            ValueError: a size is below 1, or the width is odd (the time embedding is half sines, half
                cosines).
        """
        check_sizes(self, "width", "mlp")
        return AdaRMSExpert(self, trunk, chunk, action_dim)


class AdaRMSExpert(JointAttention):
    """Network f(x, t, prefix) with one token per action, which passes through every layer of the trunk's
    cache."""

    def __init__(self, config: Config, trunk: Trunk, chunk: int, action_dim: int) -> None:
        super().__init__(trunk, chunk, config.causal)
        width = config.width
        self.action_in = nn.Linear(action_dim, width)
        self.slots = nn.Parameter(torch.randn(chunk, width))
        self.time = nn.Sequential(
            of_time(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.layers = nn.ModuleList([AdaRMSLayer(config, trunk) for _ in range(trunk.num_layers)])
        # One matrix for the 6 vectors of each layer and the 2 of the last norm.
        self.modulation = nn.Linear(width, (6 * trunk.num_layers + 2) * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.action_out = nn.Linear(width, action_dim)

    def forward(
        self, x: Float[Tensor, "b k a"], t: Float[Tensor, " b"], prefix: Prefix
    ) -> Float[Tensor, "b k a"]:
        """Prediction for the (noisy) chunk `x` at time `t` in [0, 1]."""
        known = prefix if isinstance(prefix, ExpertPrefix) else self.prepare(prefix)
        attention: list[Attend] = [
            partial(cast(AdaRMSLayer, layer).attend, known=known, index=i)
            for i, layer in enumerate(self.layers)
        ]
        return self._predict(x, self.modulation(self.time(t)), attention)

    @torch.no_grad()
    def at(self, times: Float[Tensor, " s"], prefix: Prefix) -> list[Evaluation]:
        """Functions f(., t, prefix) as from `forward`, up to rounding: time passes through its layers once
        for all steps."""
        attention = step_attention(self.prepare(prefix), self.heads)
        predict = torch.no_grad()(partial(self._predict, attention=attention))
        return [partial(predict, changes=changes) for changes in self.modulation(self.time(times)).split(1)]

    def _predict(self, x: Tensor, changes: Tensor, attention: Sequence[Attend]) -> Tensor:
        tokens = self.action_in(x) + self.slots
        parts = changes.unsqueeze(1).split(tokens.shape[-1], dim=-1)
        for index, (layer, attend) in enumerate(zip(self.layers, attention, strict=True)):
            tokens = layer(tokens, attend, parts[6 * index : 6 * index + 6])
        return self.action_out(modulated(tokens, *parts[-2:]))


class AdaRMSLayer(SharedAttention):
    """Attention over [cache, action tokens], then a gated MLP; a modulated norm before and a gate after
    each."""

    def __init__(self, config: Config, trunk: Trunk) -> None:
        super().__init__(config.width, trunk)
        self.gate_up = matrix(2 * config.mlp, config.width)
        self.down = matrix(config.width, config.mlp)

    def forward(self, tokens: Tensor, attend: Attend, changes: tuple[Tensor, ...]) -> Tensor:
        """Action tokens [b, k, w] after this layer; `changes` are six times [b, 1, w]."""
        scale, shift, gate, scale_mlp, shift_mlp, gate_mlp = changes
        mixed = attend(F.linear(modulated(tokens, scale, shift), self.qkv).flatten(0, 1))
        tokens = torch.addcmul(tokens, gate, F.linear(mixed.view(*tokens.shape[:2], -1), self.out))
        swish, up = F.linear(modulated(tokens, scale_mlp, shift_mlp), self.gate_up).chunk(2, dim=-1)
        return torch.addcmul(tokens, gate_mlp, F.linear(F.silu(swish) * up, self.down))


def modulated(tokens: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Normalized tokens, scaled and shifted."""
    return torch.addcmul(shift, norm(tokens), 1 + scale)
