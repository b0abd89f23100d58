"""Tokenizers of transformers: trained here on the instructions, from a checkpoint, or from a saved policy.

transformers is imported only when one is made, since it takes seconds.
"""

from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.hub import checkpoint_files


def train_tokenizer(instructions: list[str]) -> Any:
    """Trains a word-level tokenizer on the words of `instructions`, in lower case; other words become
    <unk>."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])  # pyright: ignore
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.WordLevelTrainer(special_tokens=["<pad>", "<unk>"], show_progress=False)
    # Sorted, since words of equal count would otherwise be numbered by the order of the demonstrations.
    tokenizer.train_from_iterator(sorted(set(instructions)), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def checkpoint_tokenizer(checkpoint: str) -> Any:
    """Loads the tokenizer of a checkpoint of transformers.

    If it has no padding token, its end token serves as one, or else its first token: padding is masked.

    Raises:
        ValueError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    with checkpoint_files("the tokenizer of", checkpoint) as local:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False, local_files_only=local)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def check_tokenizer(tokenizer: Any, words: int, instructions: list[str], checkpoint: str) -> None:
    """Checks that a tokenizer belongs to a model with so many word embeddings.

    Raises:
        ValueError: it has more words than the model, or knows no word of an instruction.
    """
    most = max(len(tokenizer) - 1, tokenizer.pad_token_id)
    if most >= words:
        raise InputError(
            f"the tokenizer of language checkpoint {checkpoint!r} does not fit its model: it numbers words "
            f"up to {most}, but the model has embeddings for {words}"
        )
    known = {*range(words)} - {tokenizer.unk_token_id} - {*tokenizer.all_special_ids}
    for text in instructions:
        ids = tokenizer(text)["input_ids"]
        if ids and known.isdisjoint(ids):
            raise InputError(
                f"the tokenizer of language checkpoint {checkpoint!r} knows no word of {text!r}; was it "
                "trained for another language?"
            )


def load_tokenizer(folder: Path) -> Any:
    """Loads the tokenizer that `save_pretrained` wrote to `folder`."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
