"""Rules for which modules a name in a file may import.

Whoever wrote a saved policy, a dataset or a result chose the names in it, and to import a module is to run
it. So a name from a file is looked up in the folders of this package; a module of anyone else's must have
been imported by the program already, or be of a package that the user allows (`vla --allow my_package ...`).
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from types import ModuleType

from .errors import AbsentPackageError, InputError, VlaError

VARIABLE = "VLASANDBOX_ALLOW"
"""Environment variable with the allowed packages, separated by commas: worker processes inherit it."""


class UntrustedError(VlaError, ValueError):
    """A file names a module that may not be imported."""


def allow(packages: Iterable[str]) -> None:
    """Allows files to name modules of these packages, in this process and in those that it starts.

    Raises:
        ValueError: one of them is not the name of a module.
    """
    chosen = list(dict.fromkeys([*allowed(), *packages]))
    for name in chosen:
        if not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"allow: {name!r} is not the name of a package, such as my_package")
    os.environ[VARIABLE] = ",".join(chosen)


def allowed() -> list[str]:
    """The packages that `allow` was called with."""
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


def import_named(module: str, ours: Iterable[str] = ()) -> ModuleType:
    """The module that a file names.

    Args:
        module: its dotted name.
        ours: names of the modules of this package that are valid here.

    Raises:
        UntrustedError: see `check_named`.
        ImportError: it does not exist.
    """
    if module not in ours:
        check_named(module)
    # A program's own file is in sys.modules under this name too: never import it a second time.
    return sys.modules.get(module) or importlib.import_module(module)


def check_named(module: str) -> None:
    """Checks that a name from a file may be imported, without importing it.

    Raises:
        UntrustedError: nobody imported it before, and no allowed package has it.
        ImportError: there is no such package, or ours has no such module that may be named.
    """
    package = module.partition(".")[0]
    if module in sys.modules:
        return
    if package in ("", __name__.partition(".")[0]):
        raise AbsentPackageError(f"{module!r} is no module that may be named here")
    if importlib.util.find_spec(package) is None:  # which imports nothing
        raise AbsentPackageError(f"there is no module {module!r}")
    permitted = any(f"{module}.".startswith(f"{name}.") for name in allowed())
    if not permitted or "__main__" in module.split("."):
        raise UntrustedError(
            f"{module!r} is not part of vlasandbox, and importing it runs its code: if you trust it, import "
            f"it first, or allow its package (vla --allow {package} ..., or {VARIABLE}={package})"
        )
