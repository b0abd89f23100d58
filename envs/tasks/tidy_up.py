"""tidy_up: open the named one of two drawers, put the named one of three objects into it, and close it."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.tidy import TidyExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import Corners, area, stretched, waiting
from ..props.chest import add_chest, bar, bottom, dress_chest, extension, in_drawer, in_front
from ..props.objects import RGBA, SHAPES, Shape, add_object, fell_off
from ..props.spawn import spawn_objects
from ..props.tabletop import from_the_front, tabletop
from ..task import Task
from ..world import Scenario, World

OBJECTS = 3
KINDS = ("cube", "brick")
"""Shapes of the objects. Cartons are too tall for the drawers."""
AREA = (np.array([0.38, -0.175]), np.array([0.595, -0.10]))
"""Corners of the rectangle from which object centers are drawn, x and y [m]; open drawers stay out of it."""
CHEST = (0.495, 0.515)
"""Range of x from which the middle of the chest is drawn [m]."""
CLOSED, OPEN = 0.015, 0.09
"""A drawer counts as closed below the first extension and as open above the second [m]."""
START = (np.array([0.38, -0.05, 0.18]), np.array([0.42, 0.01, 0.22]))
"""Corners of the box from which the gripper's start is drawn, x, y, z [m]."""
VIEW = from_the_front((0.485, 0.0, 0.11), fovy=17.5)
"""Front view of every object and of the whole drawer fronts."""


@dataclass(frozen=True)
class TidyUpScenario(Scenario):
    """Scenario with the object to put away and its drawer."""

    target: int
    """Body id of the object to put away."""
    others: tuple[int, ...]
    """Body ids of the other objects."""
    drawer: int
    """Body id of the drawer to put it in."""
    things: dict[int, tuple[str, str]]
    """Body id -> color and shape, for all objects."""
    drawers: dict[int, str]
    """Body id of each drawer -> color."""

    @property
    def shape(self) -> Shape:
        """Shape of the target."""
        return SHAPES[self.things[self.target][1]]


class TidyUp(Task):
    """Put the named object into the named drawer and close it; both drawers start closed."""

    forms = {  # noqa: RUF012
        "name": Form(
            "put the {object} into the {drawer} and close it",
            (
                "open the {drawer}, put the {object} inside, and close it",
                "put the {object} away in the {drawer}",
                "store the {object} in the {drawer} and shut it",
                "close the {drawer} after putting the {object} in it",
            ),
            (
                "hide the {object} in the {drawer}",
                "i want the {object} inside the {drawer}, with the drawer closed",
                "stow the {object} in the {drawer}",
            ),
        )
    }
    stages = ("start", "wrong_object", "opened", "grasped", "inside", "closed")
    time_limit = 20.0

    def build(self) -> mujoco.MjSpec:
        """Builds a chest of two drawers and three objects."""
        spec = tabletop(self.robots, VIEW)
        add_chest(spec)
        for slot in range(OBJECTS):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> TidyUpScenario:
        """Draws a target, a distractor of its color and one of its shape, and drawers in the two remaining
        colors."""
        kind, other_kind = (KINDS[i] for i in rng.permutation(len(KINDS)))
        color, other_color, *drawer_colors = ([*RGBA][i] for i in rng.permutation(len(RGBA)))
        things = [(color, kind), (color, other_kind), (other_color, kind)]
        bodies = spawn_objects(world, things, partial(area, *AREA), self.robots[0].pads_outer, rng)
        drawers = dress_chest(
            world.model, rng.uniform(*stretched(*CHEST, world.spread)), (drawer_colors[0], drawer_colors[1])
        )
        chosen = int(rng.integers(2))
        named = drawer_colors[chosen], drawer_colors[1 - chosen]
        meanings = [_meaning(*thing, drawer) for thing in things for drawer in named]
        return TidyUpScenario(
            asked=meanings[0],
            swapped=meanings[rng.integers(1, len(meanings))],
            start=waiting(rng, START),
            target=bodies[0],
            others=tuple(bodies[1:]),
            drawer=drawers[chosen],
            things=dict(zip(bodies, things, strict=True)),
            drawers=dict(zip(drawers, drawer_colors, strict=True)),
        )

    def questions(self, world: World, scenario: TidyUpScenario) -> list[TidyUpScenario]:
        """Scenarios that put each of the three objects into either drawer."""
        return [
            replace(
                scenario,
                asked=_meaning(*thing, color),
                target=body,
                others=tuple(other for other in scenario.things if other != body),
                drawer=drawer,
            )
            for body, thing in scenario.things.items()
            for drawer, color in scenario.drawers.items()
        ]

    def is_success(self, world: World, scenario: TidyUpScenario) -> bool:
        """True when the target alone lies in the drawer and the drawer is closed."""
        return (
            in_drawer(world, scenario.drawer, scenario.target)
            and extension(world, scenario.drawer) < CLOSED
            and not any(in_drawer(world, scenario.drawer, body) for body in scenario.others)
        )

    def has_failed(self, world: World, scenario: TidyUpScenario) -> bool:
        """True when the target has slid off the edge of the table."""
        return fell_off(world, scenario.target)

    def progress(self, world: World, scenario: TidyUpScenario) -> float:
        """Progress: 0.3 for opening, 0.15 for the grasp, 0.15 for the release inside, and 0.4 for closing."""
        opened = min(extension(world, scenario.drawer) / OPEN, 1.0)
        held = scenario.target in world.held()
        if in_drawer(world, scenario.drawer, scenario.target) and not held:
            return 0.6 + 0.35 * (1.0 - opened)
        return 0.3 * opened + 0.15 * held

    def stage(self, world: World, scenario: TidyUpScenario) -> str:
        """Current stage of the episode."""
        held = world.held()
        if held.intersection(scenario.others):
            return "wrong_object"
        if scenario.target in held:
            return "grasped"
        if in_drawer(world, scenario.drawer, scenario.target):
            return "inside"
        return "opened" if extension(world, scenario.drawer) > OPEN else "start"

    def focus(self, world: World, scenario: TidyUpScenario) -> Float[np.ndarray, " 3"]:
        """Position of the drawer's bar until it is open, then of the target, of the drawer's inside, and of
        the bar again [m]."""
        if scenario.target in world.held():
            return bottom(world, scenario.drawer)
        stored = in_drawer(world, scenario.drawer, scenario.target)
        if stored or extension(world, scenario.drawer) < OPEN:
            return bar(world, scenario.drawer)
        return world.data.xpos[scenario.target]

    def reserved(self, world: World, scenario: TidyUpScenario) -> list[Corners]:
        """Area in front of the chest."""
        return [in_front(world)]

    def expert(self) -> Expert:
        """Expert that hooks the drawer open, carries the object in and pushes the drawer shut."""
        return TidyExpert()

    def meanings(self) -> list[Meaning]:
        """Meanings that put every object that fits into every drawer of another color."""
        return [
            _meaning(color, kind, drawer)
            for color in RGBA
            for kind in KINDS
            for drawer in RGBA
            if drawer != color
        ]


def _meaning(color: str, kind: str, drawer: str) -> Meaning:
    return Meaning.of("name", object=f"{color} {kind}", drawer=f"{drawer} drawer")
