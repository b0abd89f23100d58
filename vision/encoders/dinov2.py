"""DINOv2's vision transformer (arXiv 2304.07193), of any size or from a checkpoint: patch tokens only."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from .. import checkpoints
from ..checkpoints import EAGER, Pixels
from ..encoder import EncoderConfig, VisionEncoder, check_sizes, grid_side
from ..stem import PatchStem

PIXELS = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""ImageNet's pixel statistics, by which DINOv2's training images are normalized."""
UNUSED = r"^(?:classifier|head|heads)\."
"""Weights of a DINOv2 checkpoint that the encoder does not need: those of a classifier."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """A DINOv2 of the given size with registers (arXiv 2309.16588) and random weights, or a checkpoint.

    All fields but the checkpoint are None where a checkpoint determines them; another image size may be set,
    to which its positions are interpolated.
    """

    SIZES: ClassVar[dict[str, Any]] = {
        "image_size": 64, "patch": 16, "width": 128, "layers": 1, "heads": 4, "mlp_ratio": 4,
    }  # fmt: skip

    checkpoint: str | None = None
    """Folder or Hub name of a Dinov2Model or Dinov2WithRegistersModel; it brings its own sizes and pixel
    normalization."""
    image_size: int | None = None
    """Side length of the image [pixels]; 64 without a checkpoint. A remainder beyond whole patches is
    cropped."""
    patch: int | None = None
    """Side length of a patch [pixels]; 16 without a checkpoint."""
    width: int | None = None
    """Width of a token; 128 without a checkpoint."""
    layers: int | None = None
    """Number of layers; 1 without a checkpoint."""
    heads: int | None = None
    """Number of attention heads; 4 without a checkpoint."""
    mlp_ratio: int | None = None
    """Hidden width of each MLP, in multiples of `width`; 4 without a checkpoint."""

    def __post_init__(self) -> None:
        checkpoints.settle(self)

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "Dinov2":
        """Builds the encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the checkpoint cannot be loaded completely or is not a DINOv2, a size contradicts it,
                or the sizes do not fit together.
        """
        from transformers import AutoConfig, AutoModel

        pixels = PIXELS
        if architecture is not None:
            stored = dict(architecture)
            pixels = Pixels.from_dict(stored.pop("pixels", PIXELS.to_dict()))
            model = AutoModel.from_config(AutoConfig.for_model(**stored), trust_remote_code=False, **EAGER)
        elif self.checkpoint is not None:
            model = _checkpoint(self)
            pixels = checkpoints.pixels_of(self.checkpoint, PIXELS)
        else:
            model = AutoModel.from_config(self._shape(), trust_remote_code=False, **EAGER)
        shape: Any = model.config
        return Dinov2(model, self.image_size or shape.image_size, condition_dim, pixels)

    def _shape(self) -> Any:
        from transformers import Dinov2WithRegistersConfig

        check_sizes(self, "image_size", "patch", "width", "layers", "heads", "mlp_ratio")
        assert self.width is not None and self.heads is not None  # noqa: PT018
        if self.width % self.heads:
            raise InputError(f"encoder: width {self.width} must be a multiple of heads {self.heads}")
        sizes: dict[str, Any] = {
            "image_size": self.image_size,
            "patch_size": self.patch,
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "mlp_ratio": self.mlp_ratio,
        }
        return Dinov2WithRegistersConfig(**sizes)


class Dinov2(VisionEncoder):
    """Patch projection and layers of a Dinov2Model, with or without registers."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: Any, image_size: int, condition_dim: int | None, pixels: Pixels = PIXELS
    ) -> None:
        """Takes the parts of `model`.

        Raises:
            ValueError: the image is smaller than a patch.
        """
        super().__init__()
        config = model.config
        self.image_size, self.dim = image_size, config.hidden_size
        self.tokens_per_image = grid_side(image_size, config.patch_size, "patch", whole=False) ** 2
        embeddings = model.embeddings
        with torch.no_grad():
            # transformers uses only the shape of this argument.
            shaped = torch.empty(1, 1 + self.tokens_per_image, self.dim)
            positions = embeddings.interpolate_pos_encoding(shaped, image_size, image_size).clone()
        config.image_size = image_size
        self._config, self._pixels = config, pixels
        self.stem = PatchStem(embeddings.patch_embeddings.projection, condition_dim)
        self.positions = nn.Parameter(positions)
        self.summary = embeddings.cls_token
        self.registers = getattr(embeddings, "register_tokens", None)
        self.layers, self.norm = model.encoder, model.layernorm
        self.register_buffer("mean", torch.tensor(pixels.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(pixels.std).view(3, 1, 1), persistent=False)

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-serializable shape of the transformer."""
        own = {} if self._pixels == PIXELS else {"pixels": self._pixels.to_dict()}
        return self._config.to_dict() | own

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens of every patch in row order, without the class token and the registers."""
        grid = self.stem(((images + 1) / 2 - self.mean) / self.std, condition)
        patches = rearrange(grid, "b y x d -> b (y x) d") + self.positions[:, 1:]
        first = [self.summary + self.positions[:, :1]]
        if self.registers is not None:
            first.append(self.registers)
        extra = repeat(torch.cat(first, dim=1), "1 r d -> b r d", b=len(images))
        tokens = torch.cat([extra.to(patches.dtype), patches], dim=1)
        hidden = self.layers(tokens).last_hidden_state[:, -self.tokens_per_image :]
        return self.norm(hidden)


def _checkpoint(config: Config) -> nn.Module:
    from transformers import AutoModel

    name = str(config.checkpoint)
    kind = checkpoints.configuration(name, "encoder").model_type
    if not kind.startswith("dinov2"):
        raise InputError(f"encoder checkpoint {name!r} is a {kind}, not a DINOv2")
    # The mask token stands for patches that were hidden in pretraining.
    model, _ = checkpoints.load(AutoModel, name, "encoder", UNUSED, spare=r"mask_token$")
    shape: Any = model.config
    found = {"patch": shape.patch_size, "width": shape.hidden_size, "layers": shape.num_hidden_layers,
             "heads": shape.num_attention_heads, "mlp_ratio": shape.mlp_ratio}  # fmt: skip
    checkpoints.check_sizes_of(config, found, "encoder")
    return model.train()
