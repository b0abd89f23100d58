"""Tell a policy in a sentence what to do, and film what it does."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...envs.config import EnvConfig
from ...envs.seeds import VALIDATION
from ...policies import packaged
from ...policies.execution import Execution
from ..evaluation import eval_target
from ..workflows.demo import default_task, demo

POSITION = 5


@dataclass(frozen=True)
class Demo:
    """Film one episode. A policy is told a sentence, word for word, and acts on one scene.

    $ vla demo "pick up the red cube"                        the policy that comes with this package
    $ vla demo runs/flow "grab the red cube" --seed 1000003  a policy of yours, another scene
    $ vla demo runs/suite/suite --task stack                 the scene's own instruction
    $ vla demo expert "put the red cube into the blue tray" --task place --out place.webp

    Each seed is a scene; what it contains, and so what can be asked there, is printed first. Success is
    judged by what the sentence asks for. A sentence that asks for nothing in the scene is told all the same,
    but then only who watches can say whether it was obeyed.
    """

    who: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN] [SENTENCE]")] = ()
    """Folder of a run or policy, packaged (the default) or expert; then what to say, in quotes."""
    task: str | None = None
    """Task whose scene it is (`vla list tasks`); by default one that the policy learned."""
    seed: int = VALIDATION.start
    """Scene. Policies learn from seeds below 1000000 and are judged on those from 2000000 on."""
    robot: str | None = None
    """Robot (`vla list robots`); the one that the policy was trained for, or the task's own, if not given."""
    perturb: str = ""
    """Perturbations of the episode, e.g. camera=3 (`vla list perturbations`)."""
    execution_horizon: int = Execution.execution_horizon
    """Actions executed of each chunk before the policy is queried again."""
    inference_delay: int = 0
    """Control steps by which the policy's answers come late."""
    blocking: bool = False
    """Whether the robot waits for late answers."""
    rtc: bool = False
    """Whether each answer continues the previous one (real-time chunking); needs the flow head."""
    ensemble: float | None = None
    """Decay of a temporal ensemble over all answers for a step; needs an execution horizon of 1."""
    sampling: str = ""
    """Settings of the head's sampling in place of the policy's own, e.g. steps=5."""
    out: Path = Path("episode.mp4")
    """Video to write: .mp4, .webp or .gif."""


def main(argv: list[str]) -> int:
    """Run `vla demo [RUN] [SENTENCE]`."""
    args = tyro.cli(Demo, args=argv, prog="vla demo")
    run, sentence = split(args.who)
    who = eval_target(run or packaged.NAME)
    task = args.task or default_task(who)
    execution = Execution(
        args.execution_horizon, args.inference_delay, args.blocking, args.rtc, args.ensemble
    )
    env = EnvConfig(task, robot=args.robot, perturb=args.perturb)
    demo(who, env, sentence, args.seed, args.out, execution, args.sampling)
    said = [part for part in (run, sentence) if part is not None]
    flags = ["--task", task, "--seed", str(args.seed), *_settings(args), "--out", str(args.out)]
    print(f"Again: {shlex.join(['vla', 'demo', *said, *flags])}")
    return 0


def _settings(args: Demo) -> list[str]:
    """Flags for what is not as usual."""
    names = (
        "robot",
        "perturb",
        "execution_horizon",
        "inference_delay",
        "blocking",
        "rtc",
        "ensemble",
        "sampling",
    )
    words: list[str] = []
    for name in names:
        value = getattr(args, name)
        if value != getattr(Demo, name):
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if value is True else [flag, str(value)]
    return words


def split(words: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Run and sentence; one alone is a sentence if it has several words and is no folder.

    Raises:
        ValueError: more than the two.
    """
    if len(words) > 2:
        raise InputError(f"a run and a sentence at most, got {len(words)}: put the sentence in quotes")
    if len(words) == 1:
        is_sentence = " " in words[0].strip() and not Path(words[0]).exists()
        return (None, words[0]) if is_sentence else (words[0], None)
    return (words[0], words[1]) if words else (None, None)
