"""SigLIP's vision transformer (arXiv 2303.15343), of any size or from a checkpoint, with a choice of stem."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ...common.errors import InputError
from .. import checkpoints
from ..checkpoints import EAGER, Pixels
from ..encoder import EncoderConfig, VisionEncoder, check_sizes, grid_side
from ..stem import ConvStem, PatchStem

PIXELS = Pixels((0.5,) * 3, (0.5,) * 3)
"""SigLIP's pixel normalization: -1 to 1, the range in which images arrive here."""
UNUSED = r"^(?:text_model\.|logit_(?:scale|bias)$|(?:vision_model\.)?head\.|classifier\.)|position_ids$"
"""Weights of a SigLIP checkpoint that the encoder does not need: text, pooling head, classifier."""


@dataclass(frozen=True)
class Config(EncoderConfig):
    """A SigLIP of the given size with random weights, or a checkpoint.

    All fields but the checkpoint are None where a checkpoint determines them. Two may be set nevertheless:
    another image size (its positions are interpolated) and another stem (which starts from random weights).
    """

    SIZES: ClassVar[dict[str, Any]] = {
        "image_size": 64, "patch": 16, "width": 128, "layers": 1, "heads": 4, "mlp": 512, "stem": "conv",
    }  # fmt: skip

    checkpoint: str | None = None
    """Folder or Hub name of a SigLIP or SigLIP 2; it brings its own stem, sizes and pixel normalization."""
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
    mlp: int | None = None
    """Hidden width of each MLP; 512 without a checkpoint."""
    stem: Literal["conv", "patch"] | None = None
    """SigLIP's own patch projection, or four convolutions of total stride 16, which learn faster; "conv"
    without a checkpoint, "patch" with one."""

    def __post_init__(self) -> None:
        checkpoints.settle(self)

    def build(self, condition_dim: int | None, architecture: dict[str, Any] | None = None) -> "Siglip":
        """Builds the encoder; see `EncoderConfig.build`.

        Raises:
            ValueError: the checkpoint cannot be loaded completely or is not a SigLIP, a size contradicts it,
                or the sizes do not fit together.
        """
        # Imported here because it takes seconds.
        from transformers import SiglipVisionConfig, SiglipVisionModel

        pixels = PIXELS
        if architecture is not None:
            shape = dict(architecture)
            pixels = Pixels.from_dict(shape.pop("pixels", PIXELS.to_dict()))
            model = SiglipVisionModel(SiglipVisionConfig(**shape, **EAGER))
        elif self.checkpoint is not None:
            model = _checkpoint(self)
            pixels = checkpoints.pixels_of(self.checkpoint, PIXELS)
        else:
            model = SiglipVisionModel(self._shape())
        return Siglip(model, self.stem or "patch", condition_dim, pixels)

    def _shape(self) -> Any:
        from transformers import SiglipVisionConfig

        check_sizes(self, "image_size", "patch", "layers", "heads", "mlp")
        assert self.width is not None and self.heads is not None  # noqa: PT018
        if self.width < 4:  # the first convolution of the stem has a quarter as many channels
            raise InputError(f"encoder: width must be at least 4, got {self.width}")
        if self.width % self.heads:
            raise InputError(f"encoder: width {self.width} must be a multiple of heads {self.heads}")
        sizes: dict[str, Any] = {
            "image_size": self.image_size,
            "patch_size": self.patch,
            "hidden_size": self.width,
            "intermediate_size": self.mlp,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
        }
        return SiglipVisionConfig(**sizes, vision_use_head=False, **EAGER)


class Siglip(VisionEncoder):
    """Stem and layers of a SiglipVisionModel."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, stem: str, condition_dim: int | None, pixels: Pixels = PIXELS) -> None:
        """Takes the parts of `model`, a SiglipVisionModel.

        Raises:
            ValueError: the sizes do not fit each other or the stem.
        """
        super().__init__()
        config = model.config
        size, patch = config.image_size, config.patch_size
        if stem == "conv" and patch != ConvStem.stride:
            raise InputError(
                f'encoder: stem "conv" needs patch {ConvStem.stride}, not {patch}; use stem "patch"'
            )
        side = grid_side(size, patch, "patch", whole=stem != "patch")
        self.dim, self.image_size = config.hidden_size, size
        self.tokens_per_image = side**2
        self._config, self._pixels = config, pixels
        embeddings = model.embeddings
        self.stem = (
            PatchStem(embeddings.patch_embedding, condition_dim)
            if stem == "patch"
            else ConvStem(self.dim, condition_dim)
        )
        self.positions = embeddings.position_embedding
        self.layers, self.norm = model.encoder, model.post_layernorm
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
        """Tokens of every patch in row order; see `VisionEncoder.forward`."""
        if self._pixels != PIXELS:
            images = ((images + 1) / 2 - self.mean) / self.std
        grid = self.stem(images, condition)
        x = rearrange(grid, "b y x d -> b (y x) d") + self.positions.weight
        return self.norm(self.layers(inputs_embeds=x).last_hidden_state)


def _checkpoint(config: Config) -> nn.Module:
    from transformers import SiglipVisionModel

    name = str(config.checkpoint)
    kind = checkpoints.configuration(name, "encoder").model_type
    options: dict[str, Any] = {"vision_use_head": False}
    if kind in ("siglip2", "siglip2_vision_model"):
        model: Any = _of_naflex(name, options)
    elif kind in ("siglip", "siglip_vision_model"):
        model, _ = checkpoints.load(SiglipVisionModel, name, "encoder", UNUSED, **options)
    else:
        raise InputError(f"encoder checkpoint {name!r} is a {kind}, not a SigLIP")
    shape = model.config
    found = {"patch": shape.patch_size, "width": shape.hidden_size, "layers": shape.num_hidden_layers,
             "heads": shape.num_attention_heads, "mlp": shape.intermediate_size}  # fmt: skip
    checkpoints.check_sizes_of(config, found, "encoder")
    if config.image_size is not None and config.image_size != shape.image_size:
        _resize(model, config.image_size)
    return model.train()


def _resize(model: Any, size: int) -> None:
    """Interpolates the model's positions for images of this side length [pixels]."""
    embeddings, config = model.embeddings, model.config
    side = grid_side(size, config.patch_size, "patch", whole=False)
    with torch.no_grad():
        # transformers uses only the shape of this argument.
        shaped = torch.empty(1, side**2, config.hidden_size)
        positions = embeddings.interpolate_pos_encoding(shaped, size, size)[0].clone()
    embeddings.position_embedding = nn.Embedding.from_pretrained(positions, freeze=False)
    config.image_size = size


def _of_naflex(name: str, options: dict[str, Any]) -> nn.Module:
    """SigLIP 2 for images of any shape (NaFlex), at the square shape of its own positions.

    It cuts the patches itself and projects them flattened (row, column, channel), which a convolution does
    with the same weights in another order. To transformers, SigLIP 2 of a fixed shape is a SigLIP.
    """
    from transformers import Siglip2VisionModel, SiglipVisionConfig, SiglipVisionModel

    source, _ = checkpoints.load(Siglip2VisionModel, name, "encoder", UNUSED, **options)
    shape: dict[str, Any] = source.config.to_dict()  # pyright: ignore
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
