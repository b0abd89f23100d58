"""place: put the named one of three objects into the named one of two trays."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.carry import CarryExpert, Errand
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import both_sides, waiting
from ..props.containers import TRAY_AREA, add_tray, beside, inside
from ..props.objects import (
    RGBA,
    SHAPES,
    Shape,
    add_object,
    at_rest,
    distance,
    fell_off,
    from_gripper,
    furnish,
)
from ..props.spawn import spawn_objects
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

OBJECTS, TRAYS = 3, 2
DROP = 0.012
"""Height of an object's underside above the table when the expert releases it [m]."""
AWAY = 0.07
"""Minimum distance of the gripper from the object for success [m]."""
NEAR = 0.05
"""Largest distance from the target's center at which the middle of the gripper has reached the target [m]."""


@dataclass(frozen=True)
class PlaceScenario(Scenario):
    """Scenario with the identity of each object and tray."""

    target: int
    """Body id of the object to place."""
    others: tuple[int, ...]
    """Body ids of the other objects."""
    tray: int
    """Body id of the tray to place it in."""
    other_tray: int
    things: dict[int, tuple[str, str]]
    """Body id -> color and shape, for all objects."""
    trays: dict[int, str]
    """Body id of each tray -> color."""

    @property
    def shape(self) -> Shape:
        """Shape of the target."""
        return SHAPES[self.things[self.target][1]]


class Place(Task):
    """Put the named object, and nothing else, into the named tray."""

    forms = {  # noqa: RUF012
        "name": Form(
            "put the {object} into the {tray}",
            (
                "place the {object} in the {tray}",
                "drop the {object} into the {tray}",
                "move the {object} to the {tray}",
                "the {object} goes in the {tray}",
                "pick up the {object} and put it in the {tray}",
            ),
            (
                "i want the {object} in the {tray}",
                "the {tray} is where the {object} belongs",
                "set the {object} down inside the {tray}",
            ),
        )
    }
    stages = ("start", "wrong_object", "wrong_tray", "reached", "grasped", "over_tray", "placed")
    time_limit = 10.0

    def build(self) -> mujoco.MjSpec:
        """Builds two trays and three bodies, each of which can become any object."""
        spec = tabletop(self.robots)
        for slot in range(TRAYS):
            add_tray(spec, f"tray_{slot}")
        for slot in range(OBJECTS):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> PlaceScenario:
        """Draws a target, a distractor of its color and one of its shape, and trays in the two remaining
        colors."""
        kinds, colors = list(SHAPES), list(RGBA)
        kind, other_kind = (kinds[i] for i in rng.permutation(len(kinds))[:2])
        color, other_color, *tray_colors = (colors[i] for i in rng.permutation(len(colors)))
        things = [(color, kind), (color, other_kind), (other_color, kind)]
        bodies = spawn_objects(world, things, beside, self.robots[0].pads_outer, rng)
        trays = [
            furnish(world.model, f"tray_{slot}", tray_colors[slot], center)
            for slot, center in enumerate(both_sides(TRAY_AREA, rng))
        ]
        meanings = [_meaning(*thing, tray_color) for thing in things for tray_color in tray_colors]
        return PlaceScenario(
            asked=meanings[0],
            swapped=meanings[rng.integers(1, len(meanings))],
            target=bodies[0],
            others=tuple(bodies[1:]),
            start=waiting(rng),
            tray=trays[0],
            other_tray=trays[1],
            things=dict(zip(bodies, things, strict=True)),
            trays=dict(zip(trays, tray_colors, strict=True)),
        )

    def questions(self, world: World, scenario: PlaceScenario) -> list[PlaceScenario]:
        """Scenarios that put each of the three objects into each of the two trays."""
        return [
            replace(
                scenario,
                asked=_meaning(*thing, scenario.trays[tray]),
                target=body,
                others=tuple(other for other in scenario.things if other != body),
                tray=tray,
                other_tray=other_tray,
            )
            for body, thing in scenario.things.items()
            for tray, other_tray in itertools.permutations(scenario.trays)
        ]

    def is_success(self, world: World, scenario: PlaceScenario) -> bool:
        """True when the target alone lies in the tray and the gripper has left it."""
        return (
            inside(world, scenario.tray, scenario.target)
            and at_rest(world, scenario.target)
            and from_gripper(world, scenario.target) > AWAY
            and not any(inside(world, scenario.tray, body) for body in scenario.others)
        )

    def has_failed(self, world: World, scenario: PlaceScenario) -> bool:
        """True when the target has slid off the edge of the table."""
        return fell_off(world, scenario.target)

    def progress(self, world: World, scenario: PlaceScenario) -> float:
        """Progress: 0.3 for the gripper's closeness, 0.2 for the grasp, 0.4 for the transport, and 0.1 for
        leaving."""
        held = scenario.target in world.held()
        if not held and inside(world, scenario.tray, scenario.target):
            return 0.9
        way = distance(world.data.xpos[scenario.target, :2], world.data.xpos[scenario.tray, :2])
        carried = held * max(0.0, 1.0 - way / 0.4)
        return 0.3 * max(0.0, 1.0 - from_gripper(world, scenario.target) / 0.4) + 0.2 * held + 0.4 * carried

    def stage(self, world: World, scenario: PlaceScenario) -> str:
        """Current stage of the episode."""
        held = world.held()
        if held.intersection(scenario.others) or any(
            inside(world, scenario.tray, body) for body in scenario.others
        ):
            return "wrong_object"
        if inside(world, scenario.tray, scenario.target):
            return "over_tray"
        if scenario.target in held:
            return "grasped"
        if inside(world, scenario.other_tray, scenario.target):
            return "wrong_tray"
        return "reached" if from_gripper(world, scenario.target) < NEAR else "start"

    def focus(self, world: World, scenario: PlaceScenario) -> Float[np.ndarray, " 3"]:
        """Position of the target until it is held, then of the tray [m]."""
        fetched = scenario.target in world.held() or inside(world, scenario.tray, scenario.target)
        return world.data.xpos[scenario.tray if fetched else scenario.target]

    def expert(self) -> Expert:
        """Expert that grasps, carries, releases and retreats."""
        return CarryExpert(self.errand)

    def errand(self, world: World, scenario: PlaceScenario) -> Errand | None:
        """Move that remains for the expert, or None."""
        if inside(world, scenario.tray, scenario.target) and scenario.target not in world.held():
            return None
        return Errand(scenario.target, scenario.shape, world.model.body_pos[scenario.tray] + [0.0, 0.0, DROP])

    def meanings(self) -> list[Meaning]:
        """Meanings that put every object into every tray of another color."""
        return [
            _meaning(color, kind, tray) for color in RGBA for kind in SHAPES for tray in RGBA if tray != color
        ]


def _meaning(color: str, kind: str, tray: str) -> Meaning:
    return Meaning.of("name", object=f"{color} {kind}", tray=f"{tray} tray")
