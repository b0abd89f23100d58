"""Words that a policy has never been told: it takes all of them for one and the same."""

from collections.abc import Iterable
from pathlib import Path


def unknown_words(policy: Path, sentences: Iterable[str]) -> list[str]:
    """Words of `sentences` that the tokenizer of a saved policy has no token for, sorted.

    One that was trained here knows the words of its training sentences alone; a checkpoint's spells all.
    """
    from tokenizers import Tokenizer  # not transformers, which takes seconds

    path = policy / "tokenizer" / "tokenizer.json"
    if not path.exists():  # a checkpoint's, of another kind
        return []
    tokenizer = Tokenizer.from_file(str(path))
    unknown, found = tokenizer.token_to_id("<unk>"), set()
    for text in set(sentences):
        coded = tokenizer.encode(text)
        places = zip(coded.ids, coded.offsets, strict=True)
        found |= {text[start:end].lower() for word, (start, end) in places if word == unknown}
    return sorted(found)


def caution(name: str, words: list[str]) -> str:
    """A sentence that names them; empty if there are none."""
    if not words:
        return ""
    return (
        f"{name} was told words that are in none of its training sentences: {', '.join(words)}. "
        "To it all such words are one."
    )
