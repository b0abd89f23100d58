"""Commands of the page: JSON objects {"do": name, ...}, checked field by field before anything sees them."""

import dataclasses
import json
import math
import types
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ...common.errors import VlaError

LONGEST = 4096
"""Largest size of a message [bytes]."""


class CommandError(VlaError, ValueError):
    """A message that is no command."""


@dataclass(frozen=True)
class Within:
    """Bounds of a number, or of the length of a text or list."""

    low: int | float
    high: int | float


Share = Annotated[float, Within(0.0, 1.0)]
Text = Annotated[str, Within(0, 200)]
Name = Annotated[str, Within(1, 200)]
Index = Annotated[int, Within(0, 1)]


@dataclass(frozen=True)
class Play:
    """Lets the robot act."""


@dataclass(frozen=True)
class Pause:
    """Stops the robot."""


@dataclass(frozen=True)
class Step:
    """One control step, then a pause."""


@dataclass(frozen=True)
class Reset:
    """Starts the episode of a seed."""

    seed: Annotated[int, Within(0, 2**31 - 1)] | None = None
    """The present one again if None."""


@dataclass(frozen=True)
class Scenery:
    """Another task or robot."""

    task: Name
    robot: Text = ""
    """The task's default one if empty."""


@dataclass(frozen=True)
class Who:
    """Change of who moves the robot: a policy, "expert" or "person"."""

    name: Name
    scene: Index = 0


@dataclass(frozen=True)
class Beside:
    """Shows a second scene of the same seed beside the first, or no longer."""

    name: Text = ""
    """Mover of the second scene's robot; empty: no second scene."""


@dataclass(frozen=True)
class Say:
    """An instruction; empty: the episode's own one, from its start."""

    text: Text


@dataclass(frozen=True)
class Speed:
    """Seconds of the scene in one of the clock; 0: as fast as possible."""

    value: Annotated[float, Within(0.0, 10.0)]


@dataclass(frozen=True)
class Execute:
    """Change of how chunks are executed (see policies/execution.py)."""

    execute: Annotated[int, Within(1, 256)] = 4
    delay: Annotated[int, Within(0, 256)] = 0
    wait: bool = False
    guided: bool = False
    ensemble: Annotated[float, Within(0.0, 10.0)] | None = None


@dataclass(frozen=True)
class Sampling:
    """Settings of the heads' sampling, e.g. "steps=5"."""

    text: Text


@dataclass(frozen=True)
class Perturb:
    """Perturbations that are on, name -> level."""

    levels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """Quality of the picture for people."""

    quality: Name


@dataclass(frozen=True)
class Show:
    """Switch for the heat map."""

    heat: bool


@dataclass(frozen=True)
class Pull:
    """Takes hold of what is seen at a point of the picture, (0, 0) top left."""

    x: Share
    y: Share
    scene: Index = 0


@dataclass(frozen=True)
class Move:
    """Moves the pointer that holds something."""

    x: Share
    y: Share
    scene: Index = 0


@dataclass(frozen=True)
class Release:
    """Lets go."""

    scene: Index = 0


@dataclass(frozen=True)
class Kick:
    """Kicks the object at a point of the picture."""

    x: Share
    y: Share
    scene: Index = 0


@dataclass(frozen=True)
class Nudge:
    """Kicks an object by its name: for those who use no pointer."""

    body: Name
    direction: Name
    scene: Index = 0


@dataclass(frozen=True)
class Drop:
    """Drops an object above a point of the picture."""

    x: Share = 0.5
    y: Share = 0.7
    scene: Index = 0


@dataclass(frozen=True)
class Steer:
    """Motion of an arm by a person: shares of its speed along x, y, z and in yaw; gripper +1 open, -1 closed,
    0 as it is."""

    velocity: list[float]
    arm: Annotated[int, Within(0, 7)] = 0

    def __post_init__(self) -> None:
        if len(self.velocity) != 5 or not all(-1.0 <= x <= 1.0 for x in self.velocity):
            raise CommandError(f"steer: velocity has 5 numbers in [-1, 1], got {self.velocity!r:.80}")


@dataclass(frozen=True)
class Clip:
    """Asks for a video of the last seconds."""


@dataclass(frozen=True)
class Record:
    """Records what happens in the first scene from now on, or no longer."""

    on: bool


@dataclass(frozen=True)
class Discard:
    """Takes the episode away that was recorded last."""


@dataclass(frozen=True)
class Mark:
    """Says whether the episode that was recorded last did what was asked."""

    success: bool


@dataclass(frozen=True)
class Claim:
    """Makes this tab the one that controls."""


@dataclass(frozen=True)
class Ack:
    """Says that a picture has arrived."""

    number: Annotated[int, Within(0, 2**53)]


Command = (
    Play | Pause | Step | Reset | Scenery | Who | Beside | Say | Speed | Execute | Sampling | Perturb
    | Picture | Show | Pull | Move | Release | Kick | Nudge | Drop | Steer | Clip
    | Record | Discard | Mark | Claim | Ack
)  # fmt: skip
COMMANDS: dict[str, type] = {each.__name__.lower(): each for each in get_args(Command)}


def parse(text: str | bytes) -> Command:
    """The command that a message holds.

    Raises:
        CommandError: it holds none; names what is wrong and what is valid.
    """
    if not isinstance(text, str):
        raise CommandError("a command is a text message")
    if len(text) > LONGEST:
        raise CommandError(f"a command has at most {LONGEST} characters, got {len(text)}")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise CommandError("a command is a JSON object") from None
    name = data.pop("do", None) if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in COMMANDS:
        raise CommandError(f"unknown command {name!r:.80}; valid: {', '.join(COMMANDS)}")
    kind = COMMANDS[name]
    hints = get_type_hints(kind, include_extras=True)
    if unknown := sorted(data.keys() - hints.keys()):
        raise CommandError(f"{name}: unknown field {unknown[0]!r:.80}; valid: {', '.join(hints) or 'none'}")
    required = [
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing := [field for field in required if field not in data]:
        raise CommandError(f"{name}: {missing[0]} is missing")
    return kind(**{key: _checked(f"{name}: {key}", value, hints[key]) for key, value in data.items()})


def _checked(what: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    bounds = None
    if get_origin(hint) is Annotated:
        hint, bounds = get_args(hint)
    if get_origin(hint) is dict:
        if not isinstance(value, dict) or len(value) > 64:
            raise CommandError(f"{what} must be an object with at most 64 entries")
        return {_checked(what, k, str): _checked(what, v, int) for k, v in value.items()}
    if get_origin(hint) is list:
        if not isinstance(value, list) or len(value) > 64:
            raise CommandError(f"{what} must be a list with at most 64 entries")
        return [_checked(what, x, float) for x in value]
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise CommandError(f"{what} must be of type {hint.__name__}, got {value!r:.80}")
    if hint is float and not (abs(value) < 1e9 and math.isfinite(value)):
        raise CommandError(f"{what} must be a finite number, got {value!r:.80}")
    if isinstance(bounds, Within):
        size = len(value) if isinstance(value, str) else value
        if not bounds.low <= size <= bounds.high:
            length = "length " if isinstance(value, str) else ""
            raise CommandError(
                f"{what} must have {length}{bounds.low:g} to {bounds.high:g}, got {value!r:.80}"
            )
    return float(value) if hint is float else value
