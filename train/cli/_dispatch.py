"""Entry point of `vla`: finds the verb, imports it alone, and turns a user's mistake into one message."""

import importlib
import math
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from ...common import trust
from .. import catalog
from ..errors import EXIT_INTERRUPTED, EXIT_MISTAKE, mistake_message

FOLDER = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vla` with `argv` (the process's own arguments by default); returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guard(lambda: _run(arguments), label="vla " + " ".join(arguments[:1]))


def guard(run: Callable[[], int], label: str) -> int:
    """Exit status of `run()`: 2 and a message for a mistake, 130 for Ctrl-C; a bug keeps its traceback."""
    try:
        return run()
    except KeyboardInterrupt as stop:
        where = f" ({stop})" if str(stop) else ""
        print(f"\nInterrupted{where}. Nothing finished is lost: the same command continues.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`vla list | head`); point stdout elsewhere or the exit flush fails once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        message = mistake_message(error)
        if message is None:
            raise
        if os.environ.get("VLA_DEBUG") == "1":
            traceback.print_exc()
        print(f"{label.strip()}: {message}", file=sys.stderr)
        return EXIT_MISTAKE


def _run(arguments: list[str]) -> int:
    arguments, packages = _without_allow(arguments)
    trust.allow([*packages, *_modules_named(arguments)])
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"vlasandbox {version('vlasandbox')}")
        return 0
    verb, *rest = arguments
    if verb not in (known := verbs()):
        from ...common.registry import check_name

        check_name("verb", verb, known)
    return importlib.import_module(f".{known[verb].stem}", __package__).main(rest)


def verbs() -> dict[str, Path]:
    """Map each verb to its file: every file of this folder whose name has no leading underscore.

    They come in the order of `POSITION`, a number that a file may define; those without one come last.
    """
    files = [path for path in FOLDER.glob("*.py") if not path.stem.startswith("_")]
    files.sort(key=lambda path: (catalog.constant(path, "POSITION", default=math.inf), path.stem))
    return {path.stem.replace("_", "-"): path for path in files}


def _without_allow(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The arguments without `--allow PACKAGE`, wherever it stands, and the packages."""
    rest, packages, left = [], [], iter(arguments)
    for argument in left:
        if argument == "--allow":
            packages.append(next(left, ""))
        elif argument.startswith("--allow="):
            packages.append(argument.removeprefix("--allow="))
        else:
            rest.append(argument)
    return rest, packages


def _modules_named(arguments: list[str]) -> list[str]:
    """Dotted names that the user typed, such as `my_package.my_task`, which may be imported therefore."""
    values = [a.partition("=")[2] if a.startswith("-") else a for a in arguments]
    names = [re.findall(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+", x) for x in values if not _is_path(x)]
    return [name for found in names for name in found]


def _is_path(argument: str) -> bool:
    return os.sep in argument or os.path.exists(argument)


def usage() -> str:
    """Text of `vla --help`."""
    described = {verb: catalog.summary(path) for verb, path in verbs().items()}
    return (
        "usage: vla VERB [arguments]\n\n"
        "A laboratory for vision-language-action policies: one trunk, swappable action heads.\n\n"
        f"{catalog.table(described)}\n\n"
        "vla VERB --help shows a verb's own flags; VLA_DEBUG=1 shows the traceback behind an error message.\n"
        "--allow PACKAGE lets saved policies and data name modules of a package: importing it runs its code."
    )
