"""Reference pages made from the code: public names of packages, help of every verb, parts of policies."""

import contextlib
import importlib
import inspect
import io
import os
import re
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[1] / "reference" / "generated"
PACKAGES = (
    "envs", "vision", "policies", "train", "train.data", "train.study",
    "eval", "eval.compare", "eval.stats", "eval.report", "eval.video",
)  # fmt: skip
PARTS = ("heads", "networks", "codecs", "encoders", "connectors")
WIDTH = 90


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _write_all)
    return {"parallel_read_safe": True}


def _write_all(app: Any) -> None:
    pages = {"cli.md": _command_line(), "parts.rst": _parts(), "listing.md": _listing()}
    shown: set[object] = set()
    pages |= {f"api_{package.replace('.', '_')}.rst": _package(package, shown) for package in PACKAGES}
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        path = PAGES / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def _package(package: str, shown: set[object]) -> str:
    """Page of a package; a class that an earlier page shows is left out."""
    name = f"vlasandbox.{package}"
    module = importlib.import_module(name)
    lines = [
        _title(name),
        f".. automodule:: {name}\n   :no-members:\n   :no-index:\n\n.. currentmodule:: {name}\n",
    ]
    for public in getattr(module, "__all__", None) or _imported(module):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            if value in shown:
                continue
            shown.add(value)
        kind = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "autodata"
        options = "   :members:\n   :show-inheritance:\n" if kind == "autoclass" else ""
        lines.append(f".. {kind}:: {public}\n{options}")
    return "\n".join(lines)


def _imported(module: Any) -> list[str]:
    """Public names of a package without `__all__`: classes and functions of its own modules."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)
    ]


def _parts() -> str:
    """Every head, network, codec, encoder and connector with the settings of its `Config`."""
    from vlasandbox.train import catalog

    lines = [_title("Parts of a policy")]
    for kind in PARTS:
        lines.append(f"{kind.capitalize()}\n{'-' * len(kind)}\n")
        package = "vlasandbox." + catalog.FOLDERS[kind].replace("/", ".")
        for name in catalog.names(kind):
            lines.append(f"{name}\n{'~' * len(name)}\n\n.. automodule:: {package}.{name}\n   :no-members:\n")
            lines.append(
                f".. autoclass:: {package}.{name}.Config\n   :members:\n   :exclude-members: build\n"
            )
    return "\n".join(lines)


def _listing() -> str:
    """Names of every folder that is a registry, as `vla list` shows them."""
    text = "# Everything that has a name\n\nWhat `vla list` shows; a name is a file in the folder given.\n\n"
    from vlasandbox.train import catalog

    for kind, folder in catalog.FOLDERS.items():
        text += f"## {kind.capitalize()}\n\n`{folder}/`\n\n| name | |\n|---|---|\n"
        rows = catalog.describe(kind)
        text += "".join(f"| `{name}` | {_cell(said)} |\n" for name, said in rows.items()) + "\n"
    return text


def _cell(text: str) -> str:
    return re.sub(r"([|<*])", r"\\\1", text)


def _command_line() -> str:
    """Page with the help of `vla` and each of its verbs."""
    from vlasandbox.train.cli._dispatch import usage, verbs

    text = "# Command line\n\nWhat `vla --help` and `vla VERB --help` print.\n\n"
    text += f"```text\n{usage()}\n```\n\n"
    for verb in verbs():
        text += f"## vla {verb}\n\n```text\n{_help([verb])}\n```\n\n"
        if verb == "train":
            text += "Settings of a preset, here of `pick_flow`:\n\n"
            text += f"```text\n{_help(['train', 'pick_flow'])}\n```\n\n"
    return text


def _help(arguments: list[str]) -> str:
    """What `vla ARGUMENTS --help` prints, without colors."""
    from vlasandbox.train.cli import main

    os.environ |= {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    return "\n".join(line.rstrip() for line in plain.strip().splitlines())
