"""Docstrings read alone: a tooltip or an API reference shows them without the code that they belong to."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("common", "envs", "vision", "policies", "eval", "train")
RETIRED = {
    *("as", "by", "from", "in", "into", "like", "of", "on", "per", "to", "with", "within", "without"),
    *("how", "what", "where", "which", "while", "who", "whose", "why"),
    *("everything", "none", "other", "others", "something", "that", "these", "this", "those"),
    *("he", "her", "his", "it", "its", "she", "their", "them", "they"),
}
"""First words that complete a sentence whose subject is the name, or that stand for a noun."""
RETIRED_PAIRS = {("all", "that"), ("see", "above"), ("the", "one"), ("the", "same")}


class Docstring(NamedTuple):
    line: int
    text: str
    is_boolean: bool
    """Whether the docstring belongs to a Boolean attribute or function, or to an attribute without a type."""


def docstrings(node: ast.AST) -> Iterator[Docstring]:
    """Docstrings of a module and of all classes, functions, and assignments inside it."""
    body = getattr(node, "body", [])
    body = body if isinstance(body, list) else []
    for i, statement in enumerate(body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if isinstance(statement.value.value, str):
                owner = body[i - 1] if i else node
                yield Docstring(statement.lineno, statement.value.value, is_boolean(owner))
        yield from docstrings(statement)
    orelse = getattr(node, "orelse", [])
    for statement in orelse if isinstance(orelse, list) else []:
        yield from docstrings(statement)


def is_boolean(owner: ast.AST) -> bool:
    if isinstance(owner, ast.Assign):
        return True
    hint = getattr(owner, "annotation", None) or getattr(owner, "returns", None)
    return hint is not None and ast.unparse(hint) in ("bool", "ClassVar[bool]")


def fault(docstring: Docstring) -> str | None:
    """What is wrong with the opening of a docstring; None if it reads alone."""
    words = [word.strip(".,:;()").lower() for word in docstring.text.split()[:2]]
    if not words:
        return "it is empty"
    if words[0] in RETIRED or tuple(words) in RETIRED_PAIRS:
        return "it should open with a noun phrase or a verb"
    if words[0] == "whether" and not docstring.is_boolean:
        return 'only a Boolean opens with "Whether"'
    return None


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_open_with_a_noun_phrase_or_a_verb(package):
    paths = sorted((ROOT / package).rglob("*.py"))
    seen, faults = 0, []
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        for docstring in docstrings(ast.parse(path.read_text(encoding="utf-8"))):
            seen += 1
            if message := fault(docstring):
                first = docstring.text.strip().split("\n")[0]
                faults.append(f"{name}:{docstring.line}: {message}: {first!r}")
    assert seen > 20
    assert not faults, "\n".join(faults)


SOURCE = '''"""Half of a handle."""
height = 0.1
"""Of the handle."""
class Handle:
    """What is held."""
    fits: bool = True
    """Whether the handle fits."""
    def check(self) -> None:
        """Whether the handle can be held."""
    def width(self) -> float:
        """The same, across."""
        return 0.2
'''


def test_openings_that_lean_on_a_name_are_found():
    faults = {d.line for d in docstrings(ast.parse(SOURCE)) if fault(d)}
    assert faults == {3, 5, 9, 11}
