"""Docstrings are written in Markdown's way: `code` in single backticks, indented blocks as they are.

reStructuredText, which autodoc reads, would take `*`, `|` and `_` in them for markup. This runs before
napoleon, so that sections such as "Args:" are left for it.
"""

import re
from typing import Any

SECTION = re.compile(r"(Args|Raises|Returns|Yields|Attributes):$")
CODE = re.compile(r"(`+)(.+?)\1")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _convert, priority=100)
    return {"parallel_read_safe": True}


def _convert(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = converted("\n".join(lines)).split("\n")
    if what in ("attribute", "data", "property"):
        lines.insert(0, "\\ ")  # napoleon would take what stands before a colon in the first line for a type


def converted(text: str) -> str:
    """`text` as reStructuredText.

    converted("see `x_`, 2 * 3") is "see ``x_``, 2 \\* 3".
    """
    out: list[str] = []
    section = literal = False
    # Code may go on in the next line, so it is found in the whole text before lines are looked at.
    text = CODE.sub(lambda code: f"`{' '.join(code[2].split())}`" if "\n\n" not in code[0] else code[0], text)
    for line in text.split("\n"):
        indented = line.startswith("    ")
        if line.strip() and not indented:
            if literal and out[-1].strip():
                out.append("")
            section, literal = bool(SECTION.match(line)), False
        elif indented and not section and not literal and (not out or not out[-1].strip()):
            literal = True
            out += ["::", ""]
        out.append(line if literal or SECTION.match(line) else _escaped(line))
    return "\n".join(out)


def _escaped(line: str) -> str:
    parts, end = [], 0
    for code in CODE.finditer(line):
        parts += [_plain(line[end : code.start()]), f"``{code[2].strip()}``"]
        if line[code.end() : code.end() + 1].isalnum():
            parts.append("\\ ")  # a letter right after code would undo it
        end = code.end()
    return "".join([*parts, _plain(line[end:])])


def _plain(text: str) -> str:
    return re.sub(r"([*|\\`]|(?<=\w)_(?!\w))", r"\\\1", text)
