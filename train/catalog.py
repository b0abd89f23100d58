"""Catalog of what exists, read from the folders without importing anything: a folder's listing is its
registry."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The folder that holds the packages, in a checkout and in an installed wheel alike."""

FOLDERS = {
    "tasks": "envs/tasks",
    "robots": "envs/robots",
    "perturbations": "envs/perturb",
    "heads": "policies/heads",
    "networks": "policies/networks",
    "codecs": "policies/codecs",
    "encoders": "vision/encoders",
    "connectors": "vision/connectors",
    "presets": "train/presets",
    "algorithms": "train/algorithms",
}


def names(kind: str) -> list[str]:
    """Names of one kind (a key of FOLDERS), sorted."""
    return sorted(p.stem for p in (ROOT / FOLDERS[kind]).glob("*.py") if not p.stem.startswith("_"))


def describe(kind: str) -> dict[str, str]:
    """Name -> first paragraph of its docstring, on one line."""
    return {name: summary(ROOT / FOLDERS[kind] / f"{name}.py") for name in names(kind)}


def summary(path: Path) -> str:
    """First paragraph of a module's docstring; of its function `config` where it has one with a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    owner = functions.get("config")
    text = (owner and ast.get_docstring(owner)) or ast.get_docstring(tree) or ""
    return " ".join(text.split("\n\n")[0].split())


def constant(path: Path, name: str, *, default: float) -> float:
    """The number that a module assigns to `name` at its top level; `default` if it does not."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return float(ast.literal_eval(node.value))
    return default


def table(rows: dict[str, str], indent: str = "  ", width: int = 100) -> str:
    """Two columns for a terminal, the second one wrapped."""
    import textwrap

    left = max((len(name) for name in rows), default=0)
    lines = []
    for name, text in rows.items():
        body = textwrap.wrap(text, max(width - left - len(indent) - 2, 20)) or [""]
        lines.append(f"{indent}{name:<{left}}  {body[0]}".rstrip())
        lines += [f"{indent}{'':<{left}}  {line}" for line in body[1:]]
    return "\n".join(lines)
