"""Public names of a package, imported when they are first used (PEP 562).

A package lists its public names once, as imports for type checkers, editors and the documentation:

    if TYPE_CHECKING:
        from .policy import Policy as Policy

    __getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)

`from vlasandbox.policies import Policy` then imports `policy.py` alone, and `import vlasandbox.policies`
imports neither it nor torch.
"""

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def lazy_exports(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Build `__getattr__`, `__dir__` and `__all__` for a package's `__init__.py`.

    Args:
        package: `__name__` of the package.
        file: `__file__` of its `__init__.py`, whose `if TYPE_CHECKING:` block of relative imports is read.
    """
    source = exports(Path(file).read_text(encoding="utf-8"))

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name not in source:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(source[name], package), name)
        setattr(sys.modules[package], name, value)  # the next look-up does not come here
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *source})

    return __getattr__, __dir__, list(source)


def exports(text: str) -> dict[str, str]:
    """Map each name re-exported under `if TYPE_CHECKING:` (`import X as X`) to its relative module."""
    guarded = (
        node
        for block in ast.parse(text).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.level
    )
    return {
        alias.name: "." * node.level + (node.module or "")
        for node in guarded
        for alias in node.names
        if alias.asname == alias.name
    }
