"""Trunk: computes a prefix from an observation, and extends a prefix by further tokens.

The sequence is [image tokens, view by view | instruction | one token of proprioception]. Within it every
token sees every real one (a prefix-LM, as in arXiv 2407.07726) or, as an option, those up to itself. Tokens
that extend the prefix see it and are never seen by it, so the prefix is computed once per observation,
however many steps a head takes. For a policy with a history, past frames are further views and further state.

    instruction "pick up cube" padded to 5, 2 views of 1 token:
    token      i i  p u c _ _  s      extension  x y
    mask       1 1  1 1 1 0 0  1                 1 1
    position   0 1  2 3 4 4 4  5                 6 7      (padding does not advance positions)
    y, causal  1 1  1 1 1 0 0  1                 1 1
    x, causal  1 1  1 1 1 0 0  1                 1 0      ("full": x sees y too)
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..common.errors import InputError
from ..vision.connector import ConnectorConfig
from ..vision.connectors import linear
from ..vision.encoder import EncoderConfig
from ..vision.encoders import siglip
from ..vision.linear import scaled_linear
from ..vision.per_camera import PerCamera
from ..vision.tensors import to_float
from .grounding import GroundingConfig, GroundingLoss
from .language import LanguageConfig
from .lora import LoraConfig
from .state_text import VOCABULARY, StateText
from .types import Grounding, Observation, Prefix


@dataclass(frozen=True)
class TrunkConfig:
    """Configuration of all that is below the action head; the same for every head in a comparison."""

    encoder: EncoderConfig = field(default_factory=siglip.Config)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    film: bool = True
    """Condition the image encoder on the instruction (mean of its word embeddings)."""
    grounding: GroundingConfig = field(default_factory=GroundingConfig)
    connector: ConnectorConfig = field(default_factory=linear.Config)
    state: Literal["token", "text", "none"] = "token"
    """Proprioception as one token of its own, as 256 integers in words after the instruction (pi0-FAST,
    pi0.5), or not at all (RT-2, OpenVLA)."""
    words: bool = True
    """Whether the instruction is part of the sequence; otherwise only FiLM conveys it (RT-1)."""
    attention: Literal["prefix", "causal"] = "prefix"
    """Attention within the prefix: every token sees all tokens, or only those up to itself (RT-2,
    OpenVLA)."""
    lora: LoraConfig | None = None
    """Fine-tune low-rank adapters of the backbones instead of the backbones; None trains everything."""
    encoders: int = 1
    """Number of image encoders. 1: all cameras share one; as many as cameras: each has its own, with a
    connector (Octo)."""
    positions: Literal["views", "tokens"] = "views"
    """Granularity of learned embeddings: each view, or each token of each view (Octo)."""

    def build(
        self,
        num_views: int,
        state_dim: int,
        instructions: list[str],
        tokenizer: Any = None,
        architecture: dict[str, dict[str, Any]] | None = None,
    ) -> "Trunk":
        """Builds the trunk.

        Args:
            num_views: images per observation, including past ones (v).
            state_dim: length of the proprioceptive state, including past ones (s).
            instructions: sentences to expect; the tokenizer is trained on them if none is given.
            tokenizer: a transformers tokenizer, as saved with a policy.
            architecture: `Trunk.architecture` of a saved policy; its shape is built without any checkpoint.

        Raises:
            ValueError: a part cannot be built, or the options contradict each other.
        """
        return Trunk(self, num_views, state_dim, instructions, tokenizer, architecture or {})


class Trunk(nn.Module):
    """Image encoder and language model, joined."""

    image_size: int
    """Side length of the square images that `encode` takes [pixels]."""
    dim: int
    """Width of hidden states (d)."""
    num_layers: int
    """Layers of the language model, each with an entry in a prefix's keys and values."""
    num_heads: int
    """Number of query heads."""
    num_kv_heads: int
    """Number of key/value heads (g)."""
    head_dim: int
    """Width of one head (e)."""
    rope_theta: float
    """Base of the rotary position embedding (rotate-half layout)."""
    rope_type: str
    """Type of the rotary rates, in transformers' terms."""
    embedding_scale: float
    """Root mean square of the word embeddings; tokens made for `extend` should start at this scale."""

    def __init__(
        self,
        config: TrunkConfig,
        num_views: int,
        state_dim: int,
        instructions: list[str],
        tokenizer: Any,
        architecture: dict[str, dict[str, Any]],
    ) -> None:
        super().__init__()
        if not (config.film or config.words):
            raise InputError("trunk: words false needs film: nothing else would bring the instruction")
        self.config = config
        vocabulary = [VOCABULARY] if config.state == "text" else []
        self.language = config.language.build(
            instructions, tokenizer, architecture.get("language"), vocabulary
        )
        self.dim, self.num_layers = self.language.dim, self.language.num_layers
        self.num_heads, self.num_kv_heads = self.language.num_heads, self.language.num_kv_heads
        self.head_dim, self.rope_theta = self.language.head_dim, self.language.rope_theta
        self.rope_type = self.language.rope_type
        self.embedding_scale = self.language.embedding_scale

        if config.encoders < 1 or num_views % config.encoders:
            raise InputError(f"trunk: {config.encoders} encoders cannot divide {num_views} views among them")
        condition, shape = self.dim if config.film else None, architecture.get("encoder")
        shapes = [shape and shape[str(i)] for i in range(config.encoders)] if config.encoders > 1 else [shape]
        encoders = [config.encoder.build(condition, shape) for shape in shapes]
        encoder = encoders[0]
        connectors = [
            config.connector.build(encoder.dim, encoder.tokens_per_image, self.dim, self.embedding_scale)
            for _ in encoders
        ]
        connector = connectors[0]
        self.encoder = encoder if config.encoders == 1 else PerCamera(encoders)
        self.connector = connector if config.encoders == 1 else PerCamera(connectors)
        self.image_size = encoder.image_size
        placed = connector.tokens_per_image if config.positions == "tokens" else 1
        self.view_embedding = nn.Parameter(torch.randn(num_views, placed, self.dim) * self.embedding_scale)
        self.state_encoder = self.state_text = None
        if config.state == "token":
            self.state_encoder = scaled_linear(state_dim, self.dim, self.embedding_scale)
        elif config.state == "text":
            self.state_text = StateText(self.language.tokenizer)
        blind = config.attention == "causal" or not connector.keeps_grid
        if config.grounding.heat and not config.film and blind:
            raise InputError(
                "trunk: grounding.heat needs film, or image tokens that stand for patches (connector linear "
                'or mlp) and see the words after them (attention "prefix")'
            )
        image_dim = encoder.dim if config.film else self.dim
        self.grounding = GroundingLoss(config.grounding, image_dim, self.dim)
        self.keypoint_encoder = None
        if config.grounding.keypoints:
            if not config.film:
                raise InputError(
                    "trunk: grounding.keypoints are read off the encoder's image tokens, which know the "
                    "instruction only with film"
                )
            numbers = 2 * config.grounding.keypoints * num_views
            self.keypoint_encoder = scaled_linear(numbers, self.dim, self.embedding_scale)
        if config.lora is not None:
            config.lora.apply(self.language, self.encoder)

    @property
    def architecture(self) -> dict[str, dict[str, Any]]:
        """JSON-serializable shape of the two backbones, with which `TrunkConfig.build` needs no
        checkpoint."""
        return {"encoder": self.encoder.architecture, "language": self.language.architecture}

    def encode(self, observation: Observation, instruction_tokens: int = 0) -> Prefix:
        """Encodes the observation in one pass: images of `image_size`, normalized state, instruction.

        Args:
            observation: what the policy sees.
            instruction_tokens: length to which instructions are padded, if that is more than the usual one.
        """
        words, words_mask = self.language.embed(
            observation.instruction, observation.state.device, instruction_tokens
        )  # [b, l, d]
        condition = _sentence(words, words_mask) if self.config.film else None
        image_tokens = self.encoder(to_float(observation.images), condition)  # [b, v, n, e]
        views = self.connector(image_tokens) + self.view_embedding
        images = rearrange(views, "b v m d -> b (v m) d")
        seen = words_mask.new_ones(len(words), 1)
        parts = [(images, seen.expand(-1, images.shape[1]))]
        if self.config.words:
            parts.append((words, words_mask))
        if self.state_text is not None:
            ids, real = self.state_text(observation.state)
            parts.append((self.language.words(ids), real))
        numbers = []  # what is known in numbers, as one token: the sum of what each says
        if self.state_encoder is not None:
            numbers.append(self.state_encoder(observation.state))
        if self.keypoint_encoder is not None:
            numbers.append(self.keypoint_encoder(self.grounding.keypoints(image_tokens).flatten(1)))
        if numbers:
            parts.append((sum(numbers[1:], start=numbers[0]).unsqueeze(1), seen))
        tokens = torch.cat([part.to(words.dtype) for part, _ in parts], dim=1)
        mask = torch.cat([real for _, real in parts], dim=1)  # [b, n]

        positions = mask.long().cumsum(dim=1) - 1
        visible = mask.unsqueeze(1).expand(-1, mask.shape[1], -1)
        if self.config.attention == "causal":
            visible = visible.tril()
        hidden, keys, values = self.language(tokens, visible, positions)
        return Prefix(hidden, mask, positions, keys, values, image_tokens, self)

    def extend(
        self, prefix: Prefix, tokens: Float[Tensor, "b m d"], attend: Literal["causal", "full"]
    ) -> tuple[Float[Tensor, "b m d"], Prefix]:
        """Runs new tokens through the same language model, after the prefix, which stays unchanged.

        Args:
            prefix: what the tokens follow; all of its real tokens are visible to them.
            tokens: embeddings of about `embedding_scale` in size.
            attend: whether a new token sees only the new ones up to itself, or all of them.

        Returns:
            The hidden states of the new tokens, and a prefix that ends with them and can be extended further.
        """
        b, m, _ = tokens.shape
        among = torch.ones(m, m, dtype=torch.bool, device=tokens.device)
        if attend == "causal":
            among = among.tril()
        before = prefix.mask.unsqueeze(1).expand(-1, m, -1)
        visible = torch.cat([before, among.expand(b, -1, -1)], dim=2)  # [b, m, n + m]
        positions = prefix.next_position.unsqueeze(1) + torch.arange(m, device=tokens.device)
        hidden, keys, values = self.language(tokens, visible, positions, (prefix.keys, prefix.values))
        extended = Prefix(
            torch.cat([prefix.hidden, hidden], dim=1),
            torch.cat([prefix.mask, prefix.mask.new_ones(b, m)], dim=1),
            torch.cat([prefix.positions, positions], dim=1),
            keys,
            values,
            prefix.image_tokens,
            self,
        )
        return hidden, extended

    def last_words(self, count: int) -> tuple[Float[Tensor, "v d"], Float[Tensor, "v d"]]:
        """Embeddings and readout weights of the last v = `count` words of the language model."""
        return self.language.last_words(count)

    def grounding_loss(
        self, prefix: Prefix, grounding: Grounding
    ) -> tuple[Float[Tensor, " b"], dict[str, Tensor]]:
        """Auxiliary losses (see grounding.py), weighted and per row, and detached scalars to log.

        `prefix` comes from `encode`, not from `extend`. The heat map is read off the earliest tokens that
        know the instruction: the encoder's if it is conditioned, otherwise the language model's at the
        images. The position is read off the last real token. Of a history, only the newest views count, which
        come last.
        """
        images = self._grounded(prefix)
        index = torch.arange(prefix.mask.shape[1], device=prefix.mask.device)
        last = (index * prefix.mask).argmax(dim=1)
        rows = torch.arange(len(last), device=last.device)
        return self.grounding(images[:, -grounding.uv.shape[1] :], prefix.hidden[rows, last], grounding)

    def heat(self, prefix: Prefix) -> Float[Tensor, "b v y x"]:
        """Logits of the named object's position in each view; only with a heat map (see grounding.py)."""
        return self.grounding.maps(self._grounded(prefix))[:, :, 0]

    def _grounded(self, prefix: Prefix) -> Float[Tensor, "b v n e"]:
        """The earliest tokens of the images that know the instruction."""
        images = prefix.image_tokens
        assert images is not None
        v, n = images.shape[1:3]
        if not self.config.film and self.config.grounding.heat:
            images = rearrange(prefix.hidden[:, : v * n], "b (v n) d -> b v n d", v=v)
        return images


def _sentence(words: Float[Tensor, "b l d"], mask: Bool[Tensor, "b l"]) -> Float[Tensor, "b d"]:
    """Mean of the word embeddings, at unit scale: at their own scale, FiLM takes long to tell sentences
    apart."""
    weights = mask.unsqueeze(-1).to(words.dtype)
    mean = reduce(words * weights, "b l d -> b d", "sum") / reduce(weights, "b l 1 -> b 1", "sum").clamp(
        min=1
    )
    return F.layer_norm(mean, mean.shape[-1:])
