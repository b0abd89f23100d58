"""One way to reject an unknown name: say what was given, what exists, and what was probably meant."""

import difflib
from collections.abc import Iterable


def check_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """`name` if it is one of `valid`.

    Raises:
        ValueError: it is not; the message lists the valid names and the closest one.
    """
    names = sorted(valid)
    if name in names:
        return name
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown {kind} {name!r}; valid: {', '.join(names)}.{hint}")
