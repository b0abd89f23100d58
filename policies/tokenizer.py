"""Tokenizers of transformers: one trained here on the instructions, a checkpoint's, or a saved policy's.

transformers is imported when one is made: it takes seconds.
"""

from pathlib import Path
from typing import Any

from ..common.hub import checkpoint_files


def train_tokenizer(instructions: list[str]) -> Any:
    """A word-level tokenizer that knows the words of `instructions`, in lower case; others become <unk>."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])  # pyright: ignore
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.WordLevelTrainer(special_tokens=["<pad>", "<unk>"], show_progress=False)
    # Sorted: words of equal count would otherwise be numbered by the order of the demonstrations.
    tokenizer.train_from_iterator(sorted(set(instructions)), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def checkpoint_tokenizer(checkpoint: str) -> Any:
    """The tokenizer of a checkpoint of transformers; its end token pads where it has none to pad.

    Raises:
        ValueError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    with checkpoint_files("the tokenizer of", checkpoint) as local:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False, local_files_only=local)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer that `save_pretrained` wrote to `folder`."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
