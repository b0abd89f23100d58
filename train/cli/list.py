"""Show what exists: tasks, robots, heads, networks, codecs, encoders, connectors, presets, algorithms, ..."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from ...common.registry import check_name
from ...envs import robots, tasks
from ...envs.control import ACTION_SPACES, ActionSpace
from .. import catalog

POSITION = 120

KINDS = (*catalog.FOLDERS, "action-spaces")


@dataclass(frozen=True)
class List:
    """Show what exists. Adding a file to a folder adds a name here."""

    kind: Annotated[str, tyro.conf.Positional] = "all"
    """Kind to list: tasks, robots, heads, networks, codecs, encoders, connectors, presets, algorithms or
    action-spaces; all by default."""


def main(argv: list[str]) -> int:
    """Run `vla list [KIND]`."""
    kind = tyro.cli(List, args=argv, prog="vla list").kind
    if kind != "all":
        check_name("kind", kind, KINDS)
    shown = KINDS if kind == "all" else (kind,)
    print("\n\n".join(f"{name}\n{catalog.table(_rows(name)) or '  (none)'}" for name in shown))
    return 0


def _rows(kind: str) -> dict[str, str]:
    if kind == "action-spaces":
        arms = tuple(arm.spec for arm in robots.load("franka"))
        spaces = {name: ActionSpace(name, arms, control_hz=10.0) for name in ACTION_SPACES}
        return {
            name: ", ".join(f"{dim} [{unit}]" for dim, unit in zip(space.dims, space.units, strict=True))
            for name, space in spaces.items()
        }
    rows = catalog.describe(kind)
    if kind == "tasks":
        for name in rows:
            sentences = tasks.load(name).instructions()
            examples = "; ".join(
                f'"{sentence}"' for sentence in sentences[:: max(1, len(sentences) // 3)][:3]
            )
            rows[name] += f" E.g. {examples}."
    return rows
