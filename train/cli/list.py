"""Show what exists: tasks, heads, networks, codecs, encoders, presets, action spaces."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from ...envs import language
from ...envs.control import ACTION_SPACES, action_space
from ...envs.names import check_name
from . import catalog

KINDS = (*catalog.FOLDERS, "action-spaces")


@dataclass(frozen=True)
class List:
    """Show what exists. Adding a file to a folder adds a name here."""

    kind: Annotated[str, tyro.conf.Positional] = "all"
    """tasks, heads, networks, codecs, encoders, presets or action-spaces; all of them by default."""


def main(argv: list[str]) -> int:
    """`vla list [KIND]`."""
    kind = tyro.cli(List, args=argv, prog="vla list").kind
    if kind != "all":
        check_name("kind", kind, KINDS)
    shown = KINDS if kind == "all" else (kind,)
    print("\n\n".join(f"{name}\n{catalog.table(_rows(name)) or '  (none)'}" for name in shown))
    return 0


def _rows(kind: str) -> dict[str, str]:
    if kind == "action-spaces":
        spaces = {name: action_space(name) for name in ACTION_SPACES}
        return {
            name: ", ".join(f"{dim} [{unit}]" for dim, unit in zip(space.dims, space.units, strict=True))
            for name, space in spaces.items()
        }
    rows = catalog.describe(kind)
    if kind == "tasks":
        for name, template in language.TEMPLATES.items():
            example = template.format(colour=language.COLOURS[0], object=language.OBJECTS[0])
            rows[name] += f' E.g. "{example}".'
    return rows
