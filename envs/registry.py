"""Registry by module name: rejects an unknown name with the valid ones and the closest match."""

import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from typing import Any

from ..common.trust import check_named


def check_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """Returns `name` if it is one of `valid`.

    Raises:
        ValueError: it is not; the message lists the valid names and the closest one.
    """
    names = sorted(valid)
    if name in names:
        return name
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown {kind} {name!r}; valid: {', '.join(names)}.{hint}")


def check_module(kind: str, name: str, valid: Iterable[str]) -> str:
    """Returns `name` if it is one of `valid` or the dotted name of a module that may be imported.

    Datasets and results name tasks, robots and perturbations too: `common.trust` decides.

    Raises:
        ValueError: there is no such module, or nobody has allowed it.
    """
    names = sorted(valid)
    if "." not in name:
        return check_name(kind, name, names)
    try:
        check_named(name)  # to look for it is to import the package above it
        found = importlib.util.find_spec(name)
    except ImportError:
        found = None
    if found is None:
        listed = ", ".join(names)
        raise ValueError(
            f"unknown {kind} {name!r}: no such module; valid: {listed}, or a module's dotted name"
        )
    return name


def load_from(kind: str, name: str, attribute: str, valid: Iterable[str], package: str) -> Any:
    """Attribute `attribute` of the module `name`, which is one of `valid` in `package` or a dotted name.

    Raises:
        ValueError: there is no such module, or it has no such attribute.
    """
    name = check_module(kind, name, valid)
    module = importlib.import_module(name if "." in name else f".{name}", package)
    if not hasattr(module, attribute):
        raise ValueError(f"{kind} {name!r}: the module has no {attribute}")
    return getattr(module, attribute)


def camel_case(name: str) -> str:
    """Converts `stack_cubes` to `StackCubes`; of a dotted name, its last part."""
    return "".join(part.capitalize() for part in name.rpartition(".")[2].split("_"))
