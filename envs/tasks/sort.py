"""sort: put four objects into two trays, by color or by shape, as the sentence says."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.carry import CarryExpert, Errand
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import both_sides, waiting
from ..props.containers import TRAY_AREA, add_tray, beside, inside
from ..props.objects import RGBA, SHAPES, Shape, add_object, at_rest, fell_off, from_gripper, furnish
from ..props.spawn import spawn_objects
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

KINDS = ("cube", "carton")
OBJECTS, TRAYS = 4, 2
ASIDE = 0.031
"""Distance from the middle of a tray to either of its two places [m]; the far place is filled first."""
DROP = 0.012
"""Height of an object's underside above the table when the expert releases it [m]."""
AWAY = 0.07
"""Minimum distance of the gripper from every object for success [m]."""


@dataclass(frozen=True)
class SortScenario(Scenario):
    """Scenario with the tray of each object."""

    trays: dict[int, int]
    """Body id of each object -> body id of its tray."""
    shapes: dict[int, Shape]
    """Body id of each object -> shape."""
    possible: tuple[tuple[Meaning, dict[int, int]], ...]
    """Instructions that fit this scene, each with the `trays` that it asks for."""


class Sort(Task):
    """Put each of four objects into the tray given by its color or by its shape."""

    forms = {  # noqa: RUF012
        "attribute": Form(
            "put every {object} into the {tray} and the rest into the {other}",
            (
                "place each {object} in the {tray} and everything else in the {other}",
                "every {object} belongs in the {tray} and the others belong in the {other}",
                "move every {object} to the {tray} and the remaining objects to the {other}",
                "sort the objects with each {object} in the {tray} and the rest in the {other}",
            ),
            (
                "the {tray} is for every {object} and the {other} is for everything else",
                "i want each {object} in the {tray} and whatever is left in the {other}",
            ),
        )
    }
    stages = ("start", "wrong_tray", "grasped", "one_in", "two_in", "three_in", "four_in", "sorted")
    time_limit = 24.0

    def build(self) -> mujoco.MjSpec:
        """Builds four objects and two trays."""
        spec = tabletop(self.robots)
        for slot in range(TRAYS):
            add_tray(spec, f"tray_{slot}")
        for slot in range(OBJECTS):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> SortScenario:
        """Draws two colors of two shapes each, and trays in the two remaining colors."""
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))]
        things = [(color, kind) for color in colors[:2] for kind in KINDS]
        bodies = spawn_objects(world, things, beside, self.robots[0].pads_outer, rng)
        trays = [
            furnish(world.model, f"tray_{slot}", color, center)
            for slot, (color, center) in enumerate(zip(colors[2:], both_sides(TRAY_AREA, rng), strict=True))
        ]
        # Each meaning with the assignment of objects to trays; every assignment has two equivalent meanings.
        possible = tuple(
            (
                _meaning(words, *named),
                {body: trays[(body in matching) != (named[0] == colors[2])] for body in bodies},
            )
            for words, matching in _attributes(things, bodies)
            for named in (colors[2:], colors[:1:-1])
        )
        asked, chosen = possible[rng.integers(len(possible))]
        different = [meaning for meaning, others in possible if others != chosen]
        return SortScenario(
            asked=asked,
            swapped=different[rng.integers(len(different))],
            start=waiting(rng),
            trays=chosen,
            shapes={body: SHAPES[kind] for body, (_, kind) in zip(bodies, things, strict=True)},
            possible=possible,
        )

    def questions(self, world: World, scenario: SortScenario) -> list[SortScenario]:
        """Scenarios that sort by either color or either shape, into either tray."""
        return [replace(scenario, asked=asked, trays=trays) for asked, trays in scenario.possible]

    def is_success(self, world: World, scenario: SortScenario) -> bool:
        """True when every object lies in its tray and the gripper has left."""
        return all(
            inside(world, tray, body) and at_rest(world, body) and from_gripper(world, body) > AWAY
            for body, tray in scenario.trays.items()
        )

    def has_failed(self, world: World, scenario: SortScenario) -> bool:
        """True when an object has slid off the edge of the table."""
        return any(fell_off(world, body) for body in scenario.trays)

    def progress(self, world: World, scenario: SortScenario) -> float:
        """Share of objects in their trays; one in the grip counts 0.4, and 1 is reserved for success."""
        done, grasped = len(_done(world, scenario)), not world.held().isdisjoint(scenario.trays)
        return 0.95 * (done + 0.4 * grasped) / OBJECTS

    def stage(self, world: World, scenario: SortScenario) -> str:
        """Current stage of the episode."""
        both = set(scenario.trays.values())
        for body, tray in scenario.trays.items():
            if any(inside(world, other, body) for other in both - {tray}):
                return "wrong_tray"
        if done := _done(world, scenario):
            return self.stages[2 + len(done)]
        return "grasped" if world.held().intersection(scenario.trays) else "start"

    def focus(self, world: World, scenario: SortScenario) -> Float[np.ndarray, " 3"]:
        """Position of the next object or, once it is held, of its place in the tray [m]."""
        errand = self.errand(world, scenario)
        if errand is None:
            return world.data.site_xpos[world.robot.site]
        return errand.spot if errand.body in world.held() else world.data.xpos[errand.body]

    def expert(self) -> Expert:
        """Expert that grasps, carries and releases the objects from left to right."""
        return CarryExpert(self.errand)

    def errand(self, world: World, scenario: SortScenario) -> Errand | None:
        """The expert's next job: the object in its grip, otherwise the leftmost one left."""
        held, left = world.held(), scenario.trays.keys() - _done(world, scenario)
        if not left:
            return None
        body = max(left, key=lambda body: (body in held, world.data.xpos[body, 1]))
        tray = scenario.trays[body]
        center = world.data.xpos[tray]
        far_taken = any(
            inside(world, tray, other) and world.data.xpos[other, 0] > center[0]
            for other in scenario.trays
            if other != body
        )
        spot = center + np.array([-ASIDE if far_taken else ASIDE, 0.0, DROP])
        return Errand(body, scenario.shapes[body], spot)

    def meanings(self) -> list[Meaning]:
        """Meanings that put every color or shape into every tray, with every other tray for the rest."""
        return [
            _meaning(words, tray, other)
            for words in (*(f"{color} object" for color in RGBA), *KINDS)
            for tray in RGBA
            for other in RGBA
            if tray != other and words.split()[0] not in (tray, other)
        ]


def _meaning(words: str, tray: str, other: str) -> Meaning:
    return Meaning.of("attribute", object=words, tray=f"{tray} tray", other=f"{other} tray")


def _attributes(things: list[tuple[str, str]], bodies: list[int]) -> list[tuple[str, set[int]]]:
    """Words for each color and each shape, with the bodies that have it."""
    found: dict[str, set[int]] = {}
    for body, (color, kind) in zip(bodies, things, strict=True):
        found.setdefault(f"{color} object", set()).add(body)
        found.setdefault(kind, set()).add(body)
    return list(found.items())


def _done(world: World, scenario: SortScenario) -> set[int]:
    """Body ids of the objects that are in their trays and released."""
    return {body for body, tray in scenario.trays.items() if inside(world, tray, body)} - world.held()
