"""SigLIP's vision transformer (arXiv 2303.15343), of any size or from a checkpoint, with a choice of stem."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...common.hub import checkpoint_files
from ..encoder import EncoderConfig, VisionEncoder, check_sizes, grid_side
from ..stem import ConvStem, PatchStem

EAGER: dict[str, Any] = {"attn_implementation": "eager"}
"""The fused attention of torch is 1.5 times slower when training in bf16 on a CPU."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """A SigLIP of the given size with random weights, or a checkpoint."""

    checkpoint: str | None = None
    """Folder or Hub name for SiglipVisionModel.from_pretrained; replaces the sizes below."""
    image_size: int = 64
    """Side of the image [pixels]."""
    patch: int = 16
    """Side of a patch [pixels]."""
    width: int = 128
    layers: int = 1
    heads: int = 4
    mlp: int = 512
    """Width of the hidden layer of each MLP."""
    stem: Literal["conv", "patch"] = "conv"
    """SigLIP's own patch projection, or four convolutions of total stride 16 in its place, to learn fast."""

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "Siglip":
        """The encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the checkpoint cannot be loaded, or the sizes do not fit each other.
        """
        # Imported here: it takes seconds.
        from transformers import SiglipVisionConfig, SiglipVisionModel

        if architecture is None and self.checkpoint:
            model = _checkpoint(self.checkpoint)
        elif architecture is not None:
            model = SiglipVisionModel(SiglipVisionConfig(**architecture, **EAGER))
        else:
            model = SiglipVisionModel(self._shape())
        return Siglip(model, self.stem, condition_dim)

    def _shape(self) -> Any:
        from transformers import SiglipVisionConfig

        check_sizes(self, "image_size", "patch", "layers", "heads", "mlp")
        if self.width < 4:  # the first convolution of the stem has a quarter as many channels
            raise ValueError(f"encoder: width must be at least 4, got {self.width}")
        if self.width % self.heads:
            raise ValueError(f"encoder: width {self.width} must be a multiple of heads {self.heads}")
        return SiglipVisionConfig(
            image_size=self.image_size,
            patch_size=self.patch,
            hidden_size=self.width,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            vision_use_head=False,
            **EAGER,
        )


class Siglip(VisionEncoder):
    """The stem and the layers of a SiglipVisionModel."""

    def __init__(self, model: Any, stem: str, condition_dim: int | None) -> None:
        """Takes the parts of `model`, a SiglipVisionModel.

        Raises:
            ValueError: the sizes do not fit each other or the stem.
        """
        super().__init__()
        config = model.config
        size, patch = config.image_size, config.patch_size
        side = grid_side(size, patch, "patch")
        if stem == "conv" and patch != ConvStem.stride:
            raise ValueError(
                f'encoder: stem "conv" needs patch {ConvStem.stride}, not {patch}; use stem "patch"'
            )
        self.dim, self.image_size = config.hidden_size, size
        self.tokens_per_image = side**2
        self._config = config
        embeddings = model.embeddings
        self.stem = (
            PatchStem(embeddings.patch_embedding, condition_dim)
            if stem == "patch"
            else ConvStem(self.dim, condition_dim)
        )
        self.positions = embeddings.position_embedding
        self.layers, self.norm = model.encoder, model.post_layernorm

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-able shape of the transformer."""
        return self._config.to_dict()

    def encode(
        self, images: Float[Tensor, "b c h w"], condition: Float[Tensor, "b e"] | None
    ) -> Float[Tensor, "b n d"]:
        """Tokens of every patch in row order; see `VisionEncoder.forward`."""
        grid = self.stem(images, condition)
        x = rearrange(grid, "b y x d -> b (y x) d") + self.positions.weight
        return self.norm(self.layers(inputs_embeds=x).last_hidden_state)


def _checkpoint(name: str) -> nn.Module:
    from transformers import AutoConfig, SiglipVisionModel

    options: dict[str, Any] = {"vision_use_head": False, "dtype": torch.float32, **EAGER}
    with checkpoint_files("encoder checkpoint", name) as local:
        options["local_files_only"] = local
        kind = AutoConfig.from_pretrained(name, trust_remote_code=False, local_files_only=local).model_type
        if kind.startswith("siglip2"):
            return _of_naflex(name, options).train()
        model = SiglipVisionModel.from_pretrained(name, **options)
    return model.train()


def _of_naflex(name: str, options: dict[str, Any]) -> nn.Module:
    """SigLIP 2 for images of any shape (NaFlex), at the square shape of its own positions.

    It cuts the patches itself and projects them flattened (row, column, channel), which a convolution does
    with the same numbers in another order. SigLIP 2 of a fixed shape is a SigLIP to transformers.
    """
    from transformers import Siglip2VisionModel, SiglipVisionConfig, SiglipVisionModel

    source: Any = Siglip2VisionModel.from_pretrained(name, **options)
    shape = source.config.to_dict()
    shape["image_size"] = round(shape.pop("num_patches") ** 0.5) * shape["patch_size"]
    del shape["model_type"]
    weights = source.state_dict()
    projection = "embeddings.patch_embedding.weight"
    weights[projection] = rearrange(
        weights[projection], "d (y x c) -> d c y x", y=shape["patch_size"], x=shape["patch_size"]
    )
    model = SiglipVisionModel(SiglipVisionConfig(**shape, **EAGER))
    model.load_state_dict(weights)
    return model
