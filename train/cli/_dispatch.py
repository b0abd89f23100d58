"""Entry point of `vla`: finds the verb, imports it alone, and turns a user's mistake into one message."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from . import catalog
from .errors import EXIT_INTERRUPTED, EXIT_MISTAKE, mistake_message

VERBS = (
    "quickstart",
    "suite",
    "study",
    "record",
    "train",
    "eval",
    "open-loop",
    "compare",
    "robustness",
    "report",
    "export",
    "list",
    "doctor",
)


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
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"vlasandbox {version('vlasandbox')}")
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        from ...envs.names import check_name

        check_name("verb", verb, VERBS)
    return importlib.import_module(f".{_module(verb)}", __package__).main(rest)


def _module(verb: str) -> str:
    return verb.replace("-", "_")


def usage() -> str:
    """Text of `vla --help`."""
    verbs = {verb: catalog.summary(catalog.ROOT / "train" / "cli" / f"{_module(verb)}.py") for verb in VERBS}
    return (
        "usage: vla VERB [arguments]\n\n"
        "A laboratory for vision-language-action policies: one trunk, swappable action heads.\n\n"
        f"{catalog.table(verbs)}\n\n"
        "vla VERB --help shows a verb's own flags; VLA_DEBUG=1 shows the traceback behind an error message."
    )
