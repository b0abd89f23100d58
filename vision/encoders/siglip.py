"""SigLIP's vision transformer (arXiv 2303.15343), of any size or from a checkpoint, with a choice of stem."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ..encoder import EncoderConfig, VisionEncoder
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

        for name in ("image_size", "patch", "layers", "heads", "mlp"):
            if getattr(self, name) < 1:
                raise ValueError(f"encoder: {name} must be at least 1, got {getattr(self, name)}")
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
        if size % patch:
            raise ValueError(f"encoder: image size {size} must be a multiple of patch {patch}")
        if stem == "conv" and patch != ConvStem.stride:
            raise ValueError(
                f'encoder: stem "conv" needs patch {ConvStem.stride}, not {patch}; use stem "patch"'
            )
        self.dim, self.image_size = config.hidden_size, size
        self.tokens_per_image = (size // patch) ** 2
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

    def forward(
        self, images: Float[Tensor, "b v c h w"], condition: Float[Tensor, "b e"] | None = None
    ) -> Float[Tensor, "b v n d"]:
        """Tokens of every patch in row order; see `VisionEncoder.forward`."""
        b, v = images.shape[:2]
        if condition is not None:
            condition = repeat(condition, "b e -> (b v) e", v=v)
        grid = self.stem(rearrange(images, "b v c h w -> (b v) c h w"), condition)
        x = rearrange(grid, "bv y x d -> bv (y x) d") + self.positions.weight
        x = self.norm(self.layers(inputs_embeds=x).last_hidden_state)
        return rearrange(x, "(b v) n d -> b v n d", b=b)


def _checkpoint(name: str) -> nn.Module:
    from transformers import SiglipVisionModel

    try:
        model = SiglipVisionModel.from_pretrained(
            name, vision_use_head=False, attn_implementation="eager", dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"encoder checkpoint {name!r} cannot be loaded: {error}") from error
    return model.train()
