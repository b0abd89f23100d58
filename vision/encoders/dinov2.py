"""DINOv2's vision transformer (arXiv 2304.07193), of any size or from a checkpoint: patch tokens alone."""

from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ...common.hub import checkpoint_files
from ..encoder import EncoderConfig, VisionEncoder, check_sizes, grid_side
from ..stem import PatchStem
from .siglip import EAGER

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in [0, 1], per channel: what DINOv2 was trained on is normalised by them."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """A DINOv2 of the given size with registers (arXiv 2309.16588) and random weights, or a checkpoint."""

    checkpoint: str | None = None
    """Folder or Hub name of a Dinov2Model or Dinov2WithRegistersModel; replaces the sizes below."""
    image_size: int = 64
    """Side of the image [pixels], also with a checkpoint, whose positions are interpolated to fit."""
    patch: int = 16
    """Side of a patch [pixels]."""
    width: int = 128
    layers: int = 1
    heads: int = 4
    mlp_ratio: int = 4
    """Width of the hidden layer of each MLP, in widths."""

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "Dinov2":
        """The encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the checkpoint cannot be loaded, or the sizes do not fit each other.
        """
        from transformers import AutoConfig, AutoModel

        if architecture is not None:
            model = AutoModel.from_config(
                AutoConfig.for_model(**architecture), trust_remote_code=False, **EAGER
            )
        elif self.checkpoint:
            model = _checkpoint(self.checkpoint)
        else:
            model = AutoModel.from_config(self._shape(), trust_remote_code=False, **EAGER)
        return Dinov2(model, self.image_size, condition_dim)

    def _shape(self) -> Any:
        from transformers import Dinov2WithRegistersConfig

        check_sizes(self, "image_size", "patch", "width", "layers", "heads", "mlp_ratio")
        if self.width % self.heads:
            raise ValueError(f"encoder: width {self.width} must be a multiple of heads {self.heads}")
        return Dinov2WithRegistersConfig(
            image_size=self.image_size,
            patch_size=self.patch,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            mlp_ratio=self.mlp_ratio,
        )


class Dinov2(VisionEncoder):
    """The patch projection and the layers of a Dinov2Model, with or without registers."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, image_size: int, condition_dim: int | None) -> None:
        """Takes the parts of `model`.

        Raises:
            ValueError: the image is not a whole number of patches wide.
        """
        super().__init__()
        config = model.config
        self.image_size, self.dim = image_size, config.hidden_size
        self.tokens_per_image = grid_side(image_size, config.patch_size, "patch") ** 2
        embeddings = model.embeddings
        with torch.no_grad():
            # transformers reads nothing of this argument but its shape.
            shaped = torch.empty(1, 1 + self.tokens_per_image, self.dim)
            positions = embeddings.interpolate_pos_encoding(shaped, image_size, image_size).clone()
        config.image_size = image_size
        self._config = config
        self.stem = PatchStem(embeddings.patch_embeddings.projection, condition_dim)
        self.positions = nn.Parameter(positions)
        self.summary = embeddings.cls_token
        self.registers = getattr(embeddings, "register_tokens", None)
        self.layers, self.norm = model.encoder, model.layernorm
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-able shape of the transformer."""
        return self._config.to_dict()

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens of every patch in row order, without the summary and the registers."""
        grid = self.stem(((images + 1) / 2 - self.mean) / self.std, condition)
        patches = rearrange(grid, "b y x d -> b (y x) d") + self.positions[:, 1:]
        first = [self.summary + self.positions[:, :1]]
        if self.registers is not None:
            first.append(self.registers)
        extra = repeat(torch.cat(first, dim=1), "1 r d -> b r d", b=len(images))
        tokens = torch.cat([extra.to(patches.dtype), patches], dim=1)
        hidden = self.layers(tokens).last_hidden_state[:, -self.tokens_per_image :]
        return self.norm(hidden)


def _checkpoint(name: str) -> nn.Module:
    from transformers import AutoModel

    with checkpoint_files("encoder checkpoint", name) as local:
        model = AutoModel.from_pretrained(
            name, dtype=torch.float32, trust_remote_code=False, local_files_only=local, **EAGER
        )
    if not model.config.model_type.startswith("dinov2"):
        raise ValueError(f"encoder checkpoint {name!r} is a {model.config.model_type}, not a DINOv2")
    return model.train()
