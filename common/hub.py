"""Checkpoints by name: from the Hugging Face Hub if it answers, else from its cache on this machine, at once.

Without a network transformers tries every file several times, which looks like a hang. Whether the Hub
answers is asked once and briefly, before.
"""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

PATIENCE = 4.0
"""Time that the Hub gets to answer [s]."""


@contextmanager
def checkpoint_files(kind: str, name: str) -> Iterator[bool]:
    """Context in which the checkpoint `name` is loaded; yields the value to pass to `from_pretrained` as
    `local_files_only`.

    Args:
        kind: what it is, for the message.
        name: a folder, or a name on the Hub.

    Raises:
        ValueError: the block raised anything; one sentence says what to do.
    """
    from huggingface_hub import constants

    folder = Path(name).is_dir()
    unanswered = not folder and not constants.HF_HUB_OFFLINE and not _answers(constants.ENDPOINT)
    try:
        yield folder or unanswered or constants.HF_HUB_OFFLINE
    except Exception as error:  # transformers and the libraries below it raise many kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        if not folder and (unanswered or constants.HF_HUB_OFFLINE):
            why = f"{constants.ENDPOINT} does not answer" if unanswered else "HF_HUB_OFFLINE is set"
            reason = f"it is not on this machine, and {why}. Give its folder, or load it once while online"
        raise InputError(f"{kind} {name!r} cannot be loaded: {reason}") from error


@functools.cache
def _answers(endpoint: str) -> bool:
    """True if the server responds at all, with whatever status. The request runs in a thread, since looking
    up the address may take long."""
    from huggingface_hub import get_session

    answered = threading.Event()

    def ask() -> None:
        try:
            get_session().head(endpoint, timeout=PATIENCE)
        except Exception:  # of requests or httpx, whichever the Hub's library uses
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answered.is_set()
