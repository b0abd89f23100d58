"""Improve a policy beyond cloning: `vla improve RUN --by METHOD`, from its own rollouts or weighted data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...common.errors import InputError
from .. import algorithms, catalog

if TYPE_CHECKING:
    from ..improve import Improvement

POSITION = 55

USAGE = """usage: vla improve RUN --by METHOD [--out FOLDER] [--updates N] [--rounds N] ...

Go on from the policy of a run. Interrupted at any time, the same command continues it and loses at most the
rollouts that were being played; a finished run is left as it is.

methods:
{methods}

vla improve RUN --by METHOD --help shows every setting of a method (it imports torch: some seconds).
The result is FOLDER/policy; `vla compare RUN FOLDER` says whether it is better. Without --out the run goes to
RUN-METHOD. What else the cost would buy: `vla train PRESET --start-from RUN --data MORE`."""


def main(argv: list[str]) -> int:
    """Run `vla improve RUN --by METHOD [--flags]`."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE.format(methods=catalog.table(catalog.describe("algorithms"))))
        return 0
    run, *flags = argv
    if run.startswith("-"):
        raise InputError(f"the folder of a run comes first, before {run}")
    how = _parse(run, *_method(flags))

    from ..improve import improve

    folder = improve(how)
    print(f"The policy is in {folder}. Compare it: vla compare {run} {how.out}")
    return 0


def _method(flags: list[str]) -> tuple[str, list[str]]:
    """The value of --by, and the other flags.

    Raises:
        ValueError: there is none.
    """
    for number, flag in enumerate(flags):
        if flag == "--by" and number + 1 < len(flags):
            return flags[number + 1], flags[:number] + flags[number + 2 :]
        if flag.startswith("--by="):
            return flag.removeprefix("--by="), flags[:number] + flags[number + 1 :]
    raise InputError(f"say how to improve it: --by METHOD, one of {', '.join(algorithms.names())}")


def _parse(run: str, method: str, flags: list[str]) -> "Improvement":
    default = algorithms.default_config(method)

    import tyro

    from ..algorithm import AlgorithmConfig
    from ..improve import Improvement

    folder = Path(run)
    to = folder.with_name(f"{folder.resolve().name}-{method}")

    @dataclass(frozen=True)
    class Improve:
        out: Path = to
        """Folder of the new run."""
        data: tuple[str, ...] = Improvement.data
        """Demonstrations, as `vla train` takes them; by default those that the policy was trained on."""
        seed: int | None = Improvement.seed
        """Seed of the order of the data, the scenes and all noise; by default that of the policy's
        training."""
        threads: int | None = Improvement.threads
        """CPU threads of torch; by default as many as the machine is fastest with."""
        algorithm: Annotated[AlgorithmConfig, tyro.conf.arg(name="")] = field(default=default)

    Improve.__doc__ = type(default).__doc__
    prog = f"vla improve RUN --by {method}"
    args = tyro.cli(Improve, args=flags, prog=prog, config=(tyro.conf.FlagCreatePairsOff,))
    return Improvement(run, args.algorithm, args.out, args.data, args.seed, args.threads)
