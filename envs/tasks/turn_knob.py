"""turn_knob: turn the named one of two knobs to a side or to a mark."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.turn import Turn, TurnExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, waiting
from ..props.knobs import BAR, BAR_HEIGHT, add_knob, angle, dress_knob, is_still, set_angle
from ..props.objects import RGBA, from_gripper
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

KNOBS = ("knob_0", "knob_1")
SIDES = ("left", "right")
"""Sides as seen through the front camera, in which y grows to the right."""
AREA = (np.array([0.46, 0.07]), np.array([0.56, 0.12]))
"""Corners of the rectangle for the right knob's axis, x and y [m]; the left knob's is its mirror image."""
START = 0.2
"""Largest initial angle of knobs, in either direction [rad]."""
MARKS = (0.6, 0.9)
"""Range from which the angle of a mark is drawn, on either side [rad]."""
TURNED = 0.45
"""Angle from which a knob counts as turned to a side [rad]."""
ON_MARK = 0.12
"""Largest angle between a mark and a knob that is on it [rad]."""
NEAR_ENOUGH = 0.09
"""Largest angle from its goal at which the expert leaves a knob alone [rad]."""
STAYS = 0.2
"""Largest rotation of the other knob for success [rad]."""
CLEAR = 0.02
"""Minimum height of the fingers above the bar for success [m]."""
NEAR = 0.05
"""Largest distance from the middle of its bar at which the gripper has reached the knob [m]."""


@dataclass(frozen=True)
class TurnKnobScenario(Scenario):
    """Scenario with the knob to turn and its goal."""

    knob: int
    """Body id of the knob to turn."""
    other: int
    before: dict[int, float]
    """Body id of each knob -> initial angle [rad]."""
    goal: float
    """Angle to which the expert turns it [rad]."""
    allowed: tuple[float, float]
    """Smallest and largest angle that count as success [rad]."""
    names: dict[int, tuple[str, str]]
    """Body id -> names of the knob, by its color and by its place."""
    marks: dict[int, dict[str, tuple[float, str]]]
    """Body id -> side -> angle [rad] and color of the knob's mark on that side."""


class TurnKnob(Task):
    """Turn the named knob, let go of it, and leave the other one alone."""

    forms = {  # noqa: RUF012
        "side": Form(
            "turn the {knob} to the {side}",
            (
                "rotate the {knob} to the {side}",
                "twist the {knob} toward the {side}",
                "give the {knob} a turn to the {side}",
                "make the {knob} point {side}",
            ),
            ("swing the {knob} around to the {side}", "i want the {knob} turned to the {side}"),
        ),
        "mark": Form(
            "turn the {knob} to the {mark}",
            (
                "set the {knob} to the {mark}",
                "point the {knob} at the {mark}",
                "rotate the {knob} until it points at the {mark}",
                "twist the {knob} toward the {mark}",
            ),
            ("swing the {knob} around to the {mark}", "i want the {knob} pointing at the {mark}"),
        ),
    }
    stages = ("start", "wrong_knob", "reached", "gripped", "turned", "released")
    time_limit = 8.0

    def build(self) -> mujoco.MjSpec:
        """Builds two knobs with two marks each."""
        spec = tabletop(self.robots)
        for name in KNOBS:
            add_knob(spec, name)
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> TurnKnobScenario:
        """Draws a knob on the left and one on the right, and asks for either, to either side, in either
        form."""
        centres = rng.uniform(*area(*AREA, world.spread), size=(len(KNOBS), 2)) * [[1, -1], [1, 1]]
        colors = [[*RGBA][i] for i in rng.permutation(len(RGBA))[: len(KNOBS)]]
        before: dict[int, float] = {}
        names: dict[int, tuple[str, str]] = {}
        all_marks: dict[int, dict[str, tuple[float, str]]] = {}
        questions: list[tuple[int, float, tuple[float, float], Meaning]] = []
        for name, center, color, place in zip(KNOBS, centres, colors, SIDES, strict=True):
            others = [other for other in RGBA if other != color]
            marks = [others[i] for i in rng.permutation(len(others))[: len(SIDES)]]
            goals = rng.uniform(*MARKS, size=len(SIDES)) * [1, -1]
            knob = dress_knob(world.model, name, center, color, list(zip(goals.tolist(), marks, strict=True)))
            before[knob] = rng.uniform(-START, START)
            set_angle(world, knob, before[knob])
            names[knob] = (f"{color} knob", f"{place} knob")
            all_marks[knob] = dict(zip(SIDES, zip(goals.tolist(), marks, strict=True), strict=True))
            for goal, side, mark, rest in zip(goals.tolist(), SIDES, marks, marks[::-1], strict=True):
                words = names[knob][rng.random() >= 0.5]
                if rng.random() < 0.5:
                    questions.append((knob, goal, _to_side(goal), Meaning.of("side", knob=words, side=side)))
                else:
                    mark_words = _marks(mark, rest)[rng.integers(2)]
                    asked = Meaning.of("mark", knob=words, mark=mark_words)
                    questions.append((knob, goal, _to_mark(goal), asked))
        (knob, goal, allowed, asked), (*_, swapped) = (
            questions[i] for i in rng.permutation(len(questions))[:2]
        )
        (other,) = before.keys() - {knob}
        return TurnKnobScenario(
            asked=asked,
            swapped=swapped,
            start=waiting(rng),
            knob=knob,
            other=other,
            before=before,
            goal=goal,
            allowed=allowed,
            names=names,
            marks=all_marks,
        )

    def questions(self, world: World, scenario: TurnKnobScenario) -> list[TurnKnobScenario]:
        """Scenarios that turn either knob to either side, in every form and by every name."""
        found = []
        for knob, other in itertools.permutations(scenario.names):
            for side, (goal, mark) in scenario.marks[knob].items():
                (rest,) = (color for at, (_, color) in scenario.marks[knob].items() if at != side)
                for words in scenario.names[knob]:
                    turned = replace(scenario, knob=knob, other=other, goal=goal)
                    asked = Meaning.of("side", knob=words, side=side)
                    found.append(replace(turned, asked=asked, allowed=_to_side(goal)))
                    found += [
                        replace(
                            turned,
                            asked=Meaning.of("mark", knob=words, mark=mark_words),
                            allowed=_to_mark(goal),
                        )
                        for mark_words in _marks(mark, rest)
                    ]
        return found

    def is_success(self, world: World, scenario: TurnKnobScenario) -> bool:
        """True when the knob is at its goal, at rest and released, and the other one has stayed."""
        return (
            _turned(world, scenario)
            and is_still(world, scenario.knob)
            and world.robot.lowest(world.model, world.data) > BAR_HEIGHT + BAR[2] + CLEAR
            and abs(_way(world, scenario, scenario.other)) < STAYS
        )

    def has_failed(self, world: World, scenario: TurnKnobScenario) -> bool:
        """False in every state, since a knob can always be turned back."""
        return False

    def progress(self, world: World, scenario: TurnKnobScenario) -> float:
        """Progress: 0.3 for the gripper's closeness, 0.1 for the grip, 0.5 for the turn, and 0.1 for the
        release."""
        if _turned(world, scenario):
            return 0.9
        held = scenario.knob in world.held()
        left = abs(scenario.goal - angle(world, scenario.knob)) / abs(
            scenario.goal - scenario.before[scenario.knob]
        )
        near = max(0.0, 1.0 - from_gripper(world, scenario.knob) / 0.4)
        return 0.3 * near + 0.1 * held + 0.45 * max(0.0, 1.0 - left)

    def stage(self, world: World, scenario: TurnKnobScenario) -> str:
        """Current stage of the episode."""
        held = world.held()
        if scenario.other in held or abs(_way(world, scenario, scenario.other)) > STAYS:
            return "wrong_knob"
        if _turned(world, scenario):
            return "turned"
        if scenario.knob in held:
            return "gripped"
        return "reached" if from_gripper(world, scenario.knob) < NEAR else "start"

    def focus(self, world: World, scenario: TurnKnobScenario) -> Float[np.ndarray, " 3"]:
        """Position of the knob's bar [m]."""
        return world.data.xpos[scenario.knob]

    def expert(self) -> Expert:
        """Expert that grips the bar, turns it, lets go and rises."""
        return TurnExpert(self.turn)

    def turn(self, world: World, scenario: TurnKnobScenario) -> Turn:
        """The expert's next turn: the other knob first, if it has strayed."""
        knob, goal, held = scenario.knob, scenario.goal, world.held()
        strayed = abs(_way(world, scenario, scenario.other)) > STAYS - 0.05
        if scenario.other in held or (strayed and knob not in held):
            knob, goal = scenario.other, scenario.before[scenario.other]
        return Turn(knob, world.data.xpos[knob], angle(world, knob), goal, NEAR_ENOUGH)

    def meanings(self) -> list[Meaning]:
        """Knobs by color or place; to a side, or to a mark of another color than the knob's."""
        asked = []
        for words in (*RGBA, *SIDES):
            asked += [Meaning.of("side", knob=f"{words} knob", side=side) for side in SIDES]
            asked += [
                Meaning.of("mark", knob=f"{words} knob", mark=mark)
                for color in RGBA
                if color != words
                for mark in _marks(color, color)
            ]
        return asked


def _marks(color: str, other: str) -> tuple[str, str]:
    """Names of a mark next to one of color `other`."""
    return f"{color} mark", f"mark that is not {other}"


def _to_side(goal: float) -> tuple[float, float]:
    """Smallest and largest angle that count as turned to the side of `goal` [rad]."""
    return (TURNED, np.inf) if goal > 0 else (-np.inf, -TURNED)


def _to_mark(goal: float) -> tuple[float, float]:
    """Smallest and largest angle that count as turned to the mark at `goal` [rad]."""
    return goal - ON_MARK, goal + ON_MARK


def _turned(world: World, scenario: TurnKnobScenario) -> bool:
    low, high = scenario.allowed
    return low < angle(world, scenario.knob) < high


def _way(world: World, scenario: TurnKnobScenario, knob: int) -> float:
    """Angle by which a knob has been turned since the start [rad]."""
    return angle(world, knob) - scenario.before[knob]
