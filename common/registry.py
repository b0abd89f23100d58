"""Members of a folder found by name; an unknown name is rejected with the valid ones and the closest one."""

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from typing import Any

from .errors import InputError
from .trust import check_named


def module_names(path: Iterable[str]) -> list[str]:
    """Sorted names of the modules in the folders of a package's `__path__`, without those that begin with an
    underscore; nothing is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_"))


def check_name(kind: str, name: str, valid: Iterable[str], *, more: str = "") -> str:
    """Returns `name` if it is one of `valid`.

    Args:
        kind: what it is the name of, for the message.
        name: what was given.
        valid: the valid names.
        more: what else is valid, for the message.

    Raises:
        ValueError: it is not; the message lists the valid names and the closest one.
    """
    names = sorted(valid)
    if name in names:
        return name
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise InputError(f"unknown {kind} {name!r}; valid: {', '.join(names)}{more}.{hint}")


def parse_settings(kind: str, text: str) -> dict[str, str]:
    """{"a": "1", "b": "2"} for the text "a=1,b=2"; a name without "=" has the value "".

    Raises:
        ValueError: a name is given twice.
    """
    found: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        if name in found:
            raise InputError(f"{kind} {name!r} is given twice in {text!r}")
        found[name] = value
    return found


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
        raise InputError(
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
        raise InputError(f"{kind} {name!r}: the module has no {attribute}")
    return getattr(module, attribute)


def camel_case(name: str) -> str:
    """Converts `stack_cubes` to `StackCubes`; of a dotted name, its last part."""
    return "".join(part.capitalize() for part in name.rpartition(".")[2].split("_"))
