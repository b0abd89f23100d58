"""LoRA (arXiv 2106.09685): fine-tuning of linear layers by a product of two thin matrices each.

    y = W x + b + alpha / rank * B A x,      A [rank, in] random, B [out, rank] zero at first

W and everything else from a checkpoint stays frozen; of an adapted part only A and B are trained, and the
modules that no checkpoint has: its FiLM layers and a convolutional stem. Initially the output is unchanged.

OpenVLA-OFT's README warns that adapters merged on another kind of GPU than they were trained on lose much of
their success. Here a policy is saved with separate adapters, and `merge` adds them to float32 weights in
float64, rounding once, so that the result is the same on every machine.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..common.errors import InputError
from ..vision.stem import ConvStem, FiLM


@dataclass(frozen=True)
class LoraConfig:
    """Adapted parts of the trunk and the rank of the adapters; useful for pretrained backbones. A part that
    is not adapted is trained in full, unless `optim.rates` freezes it."""

    rank: int = 32
    """Rank of each adapter; 32 in OpenVLA-OFT, whose learning rate is 5e-4."""
    alpha: float = 32.0
    """Adapters are scaled by alpha / rank, so that the learning rate need not change with the rank."""
    language: bool = True
    """Whether to adapt the language model's linear layers."""
    encoder: bool = False
    """Whether to adapt the image encoder's linear layers."""

    def apply(self, language: nn.Module, encoder: nn.Module) -> None:
        """Adapts the selected parts in place and freezes the rest of them.

        Raises:
            ValueError: a rank below 1, or nothing to adapt.
        """
        if self.rank < 1 or not (self.language or self.encoder):
            raise InputError(
                "lora: rank must be at least 1 and language or encoder be true, got "
                f"rank {self.rank}, language {self.language}, encoder {self.encoder}"
            )
        for part, name, wanted in ((language, "language", self.language), (encoder, "encoder", self.encoder)):
            if wanted and not _adapt(part, self.rank, self.alpha):
                raise InputError(f"lora: the {name} has no linear layers to adapt")


class LoraLinear(nn.Linear):
    """A frozen linear layer with its adapter. The layer's own parameters keep their names."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(base.in_features, base.out_features, base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias
        self.scale = alpha / rank
        # The paper draws A from a Gaussian of unspecified width; this one preserves the scale of x.
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, input: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        """Sum of the layer's output and the adapter's."""
        return super().forward(input) + self.scale * F.linear(F.linear(input, self.down), self.up)

    def merged(self) -> nn.Linear:
        """A single linear layer that computes the same function."""
        layer = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        change = self.scale * self.up.double() @ self.down.double()
        layer.weight = nn.Parameter((self.weight + change).to(self.weight.dtype), requires_grad=False)
        layer.bias = self.bias
        return layer


def merge(module: nn.Module) -> None:
    """Folds every adapter inside `module` into its layer, in place: the same function, but faster."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, LoraLinear):
                setattr(parent, name, child.merged())


def _adapt(module: nn.Module, rank: int, alpha: float) -> int:
    """Freezes `module`, adapts the linear layers inside it, and returns their number."""
    for parameter in module.parameters(recurse=False):
        parameter.requires_grad_(False)
    count = 0
    for name, child in module.named_children():
        if isinstance(child, FiLM | ConvStem):
            continue
        count += _adapt(child, rank, alpha)
        if isinstance(child, nn.Linear):
            setattr(module, name, LoraLinear(child, rank, alpha))
            count += 1
    return count
