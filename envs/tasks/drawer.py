"""drawer: open or close the named one of two drawers, which may start open, ajar or closed."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.drawer import DrawerExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import Corners, stretched, waiting
from ..props.chest import TRAVEL, add_chest, bar, dress_chest, extension, in_front
from ..props.objects import RGBA, distance
from ..props.tabletop import from_the_front, tabletop
from ..task import Task
from ..world import Scenario, World

CHEST = (0.495, 0.515)
"""Range of x from which the middle of the chest is drawn [m]."""
AJAR, OPEN = (0.04, 0.07), (0.11, 0.12)
"""Initial extensions of drawers that start ajar or open [m]."""
CLOSED_BELOW, OPEN_ABOVE = 0.015, 0.09
"""A drawer counts as closed below the first extension and as open above the second [m]."""
STAYS = 0.03
"""Largest displacement of the other drawer for success [m]."""
MOVED = 0.02
"""Distance from its initial extension beyond which a drawer has moved [m]."""
NEAR = 0.06
"""Largest distance from the drawer's bar at which the gripper has reached the drawer [m]."""
PLACES = ("closest to", "farthest from")
"""Names of a drawer by its distance to the robot, in the order of the chest's drawers."""
START = (np.array([0.38, -0.05, 0.18]), np.array([0.42, 0.01, 0.22]))
"""Corners of the box from which the gripper's start is drawn, x, y, z [m]."""
VIEW = from_the_front((0.485, 0.09, 0.11), fovy=16.5)
"""Front view that stands before the chest."""


@dataclass(frozen=True)
class DrawerScenario(Scenario):
    """Scenario with the drawer to move and its direction."""

    drawer: int
    """Body id of the drawer to move."""
    other: int
    opens: bool
    """True to open it, False to close it."""
    before: dict[int, float]
    """Body id of each drawer -> initial extension [m]."""
    names: dict[int, tuple[str, ...]]
    """Body id -> names of the drawer."""


class Drawer(Task):
    """Open or close the named drawer and leave the other one alone."""

    forms = {  # noqa: RUF012
        "open": Form(
            "open the {drawer}",
            (
                "pull open the {drawer}",
                "pull out the {drawer}",
                "slide out the {drawer}",
                "the {drawer} should be open",
            ),
            ("i need the {drawer} to be open", "fully extend the {drawer}"),
        ),
        "close": Form(
            "close the {drawer}",
            (
                "shut the {drawer}",
                "push in the {drawer}",
                "make sure the {drawer} is closed",
                "the {drawer} should be closed",
            ),
            ("i need the {drawer} to be shut", "fully close the {drawer}"),
        ),
    }
    stages = ("start", "wrong_drawer", "reached", "moved", "done")
    time_limit = 6.0

    def build(self) -> mujoco.MjSpec:
        """Builds a chest of two drawers."""
        spec = tabletop(self.robots, VIEW)
        add_chest(spec)
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> DrawerScenario:
        """Draws each drawer closed, ajar or open, and asks for any move that is possible."""
        first, second = ([*RGBA][i] for i in rng.permutation(len(RGBA))[:2])
        drawers = dress_chest(world.model, rng.uniform(*stretched(*CHEST, world.spread)), (first, second))
        before, questions = {}, []
        names = (_names(first, second, PLACES[0]), _names(second, first, PLACES[1]))
        for drawer, words in zip(drawers, names, strict=True):
            state = rng.integers(3)
            before[drawer] = (0.0, rng.uniform(*AJAR), rng.uniform(*OPEN))[state]
            world.data.qpos[world.model.jnt_qposadr[world.model.body_jntadr[drawer]]] = before[drawer]
            questions += [(drawer, form, words[rng.integers(len(words))]) for form in _moves(before[drawer])]
        (drawer, form, words), (_, other_form, other_words) = (
            questions[i] for i in rng.permutation(len(questions))[:2]
        )
        return DrawerScenario(
            asked=Meaning.of(form, drawer=words),
            swapped=Meaning.of(other_form, drawer=other_words),
            start=waiting(rng, START),
            drawer=drawer,
            other=drawers[1] if drawer == drawers[0] else drawers[0],
            opens=form == "open",
            before=before,
            names=dict(zip(drawers, names, strict=True)),
        )

    def questions(self, world: World, scenario: DrawerScenario) -> list[DrawerScenario]:
        """Scenarios for every move that was possible at the start, of either drawer, by each of its names."""
        return [
            replace(
                scenario,
                asked=Meaning.of(form, drawer=words),
                drawer=drawer,
                other=other,
                opens=form == "open",
            )
            for drawer, other in itertools.permutations(scenario.names)
            for form in _moves(scenario.before[drawer])
            for words in scenario.names[drawer]
        ]

    def is_success(self, world: World, scenario: DrawerScenario) -> bool:
        """True when the drawer is open or closed as asked and the other one has stayed."""
        extended = extension(world, scenario.drawer)
        moved = extended > OPEN_ABOVE if scenario.opens else extended < CLOSED_BELOW
        return moved and abs(_way(world, scenario, scenario.other)) < STAYS

    def has_failed(self, world: World, scenario: DrawerScenario) -> bool:
        """False in every state, since a drawer can always be moved back."""
        return False

    def progress(self, world: World, scenario: DrawerScenario) -> float:
        """Progress: 0.3 for the gripper's closeness to the bar and 0.65 for the drawer's travel; 1 is
        reserved for success."""
        extended = extension(world, scenario.drawer) / TRAVEL
        done = extended if scenario.opens else 1.0 - extended
        return 0.3 * max(0.0, 1.0 - _distance(world, scenario.drawer) / 0.4) + 0.65 * done

    def stage(self, world: World, scenario: DrawerScenario) -> str:
        """Current stage of the episode."""
        if abs(_way(world, scenario, scenario.other)) > MOVED:
            return "wrong_drawer"
        if abs(_way(world, scenario, scenario.drawer)) > MOVED:
            return "moved"
        return "reached" if _distance(world, scenario.drawer) < NEAR else "start"

    def focus(self, world: World, scenario: DrawerScenario) -> Float[np.ndarray, " 3"]:
        """Position of the drawer's bar [m]."""
        return bar(world, scenario.drawer)

    def reserved(self, world: World, scenario: DrawerScenario) -> list[Corners]:
        """Area in front of the chest."""
        return [in_front(world)]

    def expert(self) -> Expert:
        """Expert that hooks the bar and pulls it, or pushes it."""
        return DrawerExpert()

    def meanings(self) -> list[Meaning]:
        """Meanings of either move, of the drawer of a color, of another color than one named, or at a
        place."""
        words = [name for color in RGBA for place in PLACES for name in _names(color, color, place)]
        return [Meaning.of(form, drawer=name) for form in self.forms for name in dict.fromkeys(words)]


def _names(color: str, other: str, place: str) -> tuple[str, str, str]:
    """Names of a drawer next to one of color `other`."""
    return f"{color} drawer", f"drawer that is not {other}", f"drawer {place} the robot"


def _moves(before: float) -> tuple[str, ...]:
    """Instruction forms for the possible moves of a drawer at this extension [m]."""
    return (*(("open",) if before < OPEN[0] else ()), *(("close",) if before > 0 else ()))


def _way(world: World, scenario: DrawerScenario, drawer: int) -> float:
    """Distance by which a drawer has been opened since the start [m]."""
    return extension(world, drawer) - scenario.before[drawer]


def _distance(world: World, drawer: int) -> float:
    """Distance of the gripper from a drawer's bar [m]."""
    return distance(world.data.site_xpos[world.robot.site], bar(world, drawer))
