"""CVAE: regression with a latent style z, the objective of ACT (arXiv 2304.13705).

In training, an encoder sees the actions themselves and encodes in z, a few numbers, which way of doing the
task this demonstration takes; the information in z is penalized by its divergence from N(0, 1). At inference
z = 0.

    [CLS, summary of the prefix, actions] -> encoder -> mu, log variance -> z = mu + sigma * noise
    [prefix, token(z)] -> network(0, t = 0) -> actions;  loss = L1 + kl * KL

z is a token that extends the prefix through the trunk, like all such tokens: it then has hidden states, keys
and values like the prefix's own, and any action network can read it. In ACT, too, it is one token next to
those of images and state; there its encoder sees proprioception instead of a summary of the prefix. The
network is that of regression. Two deviations: there is no dropout, and masked steps are not in the mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...common.errors import InputError
from ...vision.linear import scaled_linear
from ..head import ActionHead, HeadConfig, masked_mean
from ..network import ActionNetwork, NetworkConfig
from ..networks import expert
from ..trunk import Trunk
from ..types import Prefix


@dataclass(frozen=True)
class Config(HeadConfig):
    """Deterministic at inference: it predicts the most common way, rather than the mean of all."""

    network: NetworkConfig = field(default_factory=expert.Config)
    kl: float = 10.0
    """Weight of the divergence, which is summed over the latent's dimensions [nats]; the error is a mean."""
    latent: int = 32
    """Dimensions of z."""
    width: int = 64
    """Width of the encoder; 512 in ACT."""
    layers: int = 2
    """Layers of the encoder; 4 in ACT."""
    heads: int = 4
    """Attention heads of the encoder; 8 in ACT."""
    mlp: int = 256
    """Hidden width of the encoder's MLPs; 3200 in ACT."""

    def build(self, trunk: Trunk, chunk: int, action_dim: int) -> "Cvae":
        """Builds the head for `trunk`.

        Raises:
            ValueError: `kl` is negative or not finite, a size is below 1, or `width` is not a multiple of
                `heads`.
        """
        if not 0 <= self.kl < math.inf:
            raise InputError(f"kl must be finite and not negative, got {self.kl}")
        for name in ("latent", "width", "layers", "heads", "mlp"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise InputError(f"width must be a multiple of heads, got {self.width} and {self.heads}")
        return Cvae(self, trunk, self.network.build(trunk, chunk, action_dim), chunk, action_dim)


class Cvae(ActionHead):
    """Actions = f(0, 0, [prefix, token(z)])."""

    def __init__(
        self, config: Config, trunk: Trunk, network: ActionNetwork, chunk: int, action_dim: int
    ) -> None:
        super().__init__()
        self.config, self.network = config, network
        self.chunk, self.action_dim = chunk, action_dim
        self.encoder = StyleEncoder(config, trunk.dim, chunk, action_dim)
        self.style = scaled_linear(config.latent, trunk.dim, trunk.embedding_scale)
        nn.init.normal_(self.style.bias, std=trunk.embedding_scale)  # what the token of z = 0 is known by

    @property
    def num_function_evaluations(self) -> int:
        """One pass of the trunk over the token of z, one of the network."""
        return 2

    def predict(self, prefix: Prefix, z: Float[Tensor, "b z"]) -> Float[Tensor, "b k a"]:
        """Chunk in the style z."""
        _, styled = prefix.extend(self.style(z).unsqueeze(1), "full")
        zeros = torch.zeros(len(z), self.chunk, self.action_dim, device=z.device)
        return self.network(zeros, zeros[:, 0, 0], styled).float()

    def loss(
        self,
        prefix: Prefix,
        actions: Float[Tensor, "b k a"],
        mask: Bool[Tensor, "b k"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Mean absolute error over the valid entries, plus `kl` times the divergence [nats]."""
        actions = actions.masked_fill(~mask.unsqueeze(-1), 0)
        mean, log_variance = self.encoder(prefix, actions, mask)
        noise = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean.device)
        error = (self.predict(prefix, mean + (log_variance / 2).exp() * noise) - actions).abs()
        l1 = masked_mean(error, mask)
        kl = divergence(mean, log_variance) * mask.any(dim=1)
        return l1 + self.config.kl * kl, {"l1": l1.detach().mean(), "kl": kl.detach().mean()}

    def sample(self, prefix: Prefix, generators: Sequence[torch.Generator]) -> Float[Tensor, "b k a"]:
        """Chunk in the style 0, the middle of all styles; deterministic."""
        z = torch.zeros(len(prefix.mask), self.config.latent, device=prefix.mask.device)
        return self.predict(prefix, z)


class StyleEncoder(nn.Module):
    """Transformer over [CLS, summary of the prefix, actions] that returns the distribution of z at CLS.

    As in ACT, its norms come after its layers.
    """

    def __init__(self, config: Config, dim: int, chunk: int, action_dim: int) -> None:
        super().__init__()
        width = config.width
        self.summary = nn.Linear(dim, width)
        self.action_in = nn.Linear(action_dim, width)
        self.places = nn.Parameter(torch.randn(chunk + 2, width))
        layer = nn.TransformerEncoderLayer(width, config.heads, config.mlp, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.out = nn.Linear(width, 2 * config.latent)

    def forward(
        self, prefix: Prefix, actions: Float[Tensor, "b k a"], mask: Bool[Tensor, "b k"]
    ) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b z"]]:
        """Mean and log variance of z; actions outside `mask` are ignored."""
        real = prefix.mask.unsqueeze(-1)
        pooled = reduce(prefix.hidden * real, "b n d -> b d", "sum") / real.sum(dim=1)
        tokens = torch.cat([self.summary(pooled).unsqueeze(1), self.action_in(actions)], dim=1)
        tokens = F.pad(tokens, (0, 0, 1, 0)) + self.places  # CLS is its place alone
        hidden = self.layers(tokens, src_key_padding_mask=~F.pad(mask, (2, 0), value=True))
        mean, log_variance = self.out(hidden[:, 0]).float().chunk(2, dim=-1)
        return mean, log_variance


def divergence(mean: Float[Tensor, "b z"], log_variance: Float[Tensor, "b z"]) -> Float[Tensor, " b"]:
    """KL of N(mean, variance) from N(0, 1), summed over the dimensions [nats]."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=-1) / 2
