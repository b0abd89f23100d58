"""reach: hover over one of three objects, identified by name, by what it is not, or by its place in the
row."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.hover import HoverExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, waiting
from ..props.objects import RGBA, SHAPES, Shape, add_object, distance, fell_off
from ..props.spawn import sample_spread, spawn_objects
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

OBJECTS = 3
ORDINALS = ("first", "second", "third")
SIDES = ("left", "right")
"""Sides as seen through the front camera, in which y grows to the right."""
AREA = (np.array([0.43, -0.15]), np.array([0.60, 0.15]))
"""Corners of the rectangle from which object centers are drawn, x and y [m]."""
APART = 0.04
"""Minimum difference of the objects' y [m], which makes their order from left to right obvious."""
ABOVE = 0.05
"""Height of the hovering gripper above an object's top [m]."""
TOLERANCE = 0.02
"""Largest distance of the gripper from that point for success [m]."""
NEAR = 0.06
"""Largest distance from the point above an object at which the gripper is near the object [m]."""


@dataclass(frozen=True)
class ReachScenario(Scenario):
    """Scenario with the identity of each object."""

    target: int
    """Body id of the object to hover over."""
    shapes: dict[int, Shape]
    """Body id of every object -> shape."""
    ways: dict[int, tuple[Meaning, ...]]
    """Body id -> every meaning that identifies it."""


class Reach(Task):
    """Bring the gripper to 5 cm above the object that is meant, and stay there."""

    forms = {  # noqa: RUF012
        "name": Form(
            "move to the {object}",
            (
                "go to the {object}",
                "reach for the {object}",
                "hover over the {object}",
                "point at the {object}",
            ),
            ("approach the {object}", "bring the gripper above the {object}", "show me the {object}"),
        ),
        "negation": Form(
            "move to the object that is {property}",
            (
                "go to the object that is {property}",
                "reach for the thing that is {property}",
                "hover over the object that is {property}",
                "point at the one that is {property}",
            ),
            ("approach whichever object is {property}", "show me the thing that is {property}"),
        ),
        "ordinal": Form(
            "move to the {ordinal} object from the {side}",
            (
                "go to the {ordinal} object from the {side}",
                "reach for the {ordinal} thing from the {side}",
                "counting from the {side}, hover over the {ordinal} object",
                "starting from the {side}, point at the {ordinal} object",
            ),
            (
                "approach the {ordinal} one from the {side}",
                "show me the {ordinal} object, counting from the {side}",
            ),
        ),
    }
    stages = ("start", "wrong_object", "near", "reached")
    time_limit = 3.0

    def build(self) -> mujoco.MjSpec:
        """Builds three bodies, each of which can become any object."""
        spec = tabletop(self.robots)
        for slot in range(OBJECTS):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> ReachScenario:
        """Draws an object, one of its color and one of its shape, and asks for any of them in any form."""
        kinds, colors = list(SHAPES), list(RGBA)
        kind, other_kind = (kinds[i] for i in rng.permutation(len(kinds))[:2])
        color, other_color = (colors[i] for i in rng.permutation(len(colors))[:2])
        things = [(color, kind), (color, other_kind), (other_color, kind)]
        # Drawn before the positions, so that other positions do not change the instruction.
        target, swapped = rng.permutation(OBJECTS)[:2].tolist()
        forms, sides = rng.integers(len(self.forms), size=OBJECTS), rng.integers(len(SIDES), size=OBJECTS)

        def in_a_row(at: World, rng: np.random.Generator) -> tuple[list[int], list[int]]:
            while True:
                bodies = spawn_objects(at, things, partial(area, *AREA), self.robots[0].pads_outer, rng)
                rights = [_right(world, body) for body in bodies]
                if np.diff(sorted(rights)).min() >= APART:
                    return bodies, np.argsort(rights).tolist()

        bodies, row = sample_spread(in_a_row, world, rng, lambda wide, nominal: wide[1] == nominal[1])
        # The property that each object alone lacks, in the order of `things`.
        nots = (f"neither {other_color} nor a {other_kind}", f"not a {kind}", f"not {color}")
        ways, meanings = [], []
        for i, thing in enumerate(things):
            place = row.index(i)
            ordinals = [
                Meaning.of("ordinal", ordinal=ORDINALS[rank], side=side)
                for rank, side in zip((place, OBJECTS - 1 - place), SIDES, strict=True)
            ]
            name = Meaning.of("name", object=" ".join(thing))
            negation = Meaning.of("negation", property=nots[i])
            ways.append((name, negation, *ordinals))
            meanings.append((name, negation, ordinals[sides[i]])[forms[i]])
        return ReachScenario(
            asked=meanings[target],
            swapped=meanings[swapped],
            start=waiting(rng),
            target=bodies[target],
            shapes={body: SHAPES[kind_] for body, (_, kind_) in zip(bodies, things, strict=True)},
            ways=dict(zip(bodies, ways, strict=True)),
        )

    def questions(self, world: World, scenario: ReachScenario) -> list[ReachScenario]:
        """Scenarios for each of the three objects, in every form."""
        return [
            replace(scenario, asked=way, target=body) for body, ways in scenario.ways.items() for way in ways
        ]

    def is_success(self, world: World, scenario: ReachScenario) -> bool:
        """True when the gripper hovers over the target."""
        return _distance(world, scenario, scenario.target) < TOLERANCE

    def has_failed(self, world: World, scenario: ReachScenario) -> bool:
        """True when the target has slid off the edge of the table."""
        return fell_off(world, scenario.target)

    def progress(self, world: World, scenario: ReachScenario) -> float:
        """Closeness of the gripper to the point above the target."""
        return 0.95 * max(0.0, 1.0 - _distance(world, scenario, scenario.target) / 0.4)

    def stage(self, world: World, scenario: ReachScenario) -> str:
        """Current stage of the episode."""
        away = {body: _distance(world, scenario, body) for body in scenario.shapes}
        nearest = min(away, key=away.__getitem__)
        if away[nearest] > NEAR:
            return "start"
        return "near" if nearest == scenario.target else "wrong_object"

    def focus(self, world: World, scenario: ReachScenario) -> Float[np.ndarray, " 3"]:
        """Position of the target [m]."""
        return world.data.xpos[scenario.target]

    def expert(self) -> Expert:
        """Expert that goes straight to the point and approaches it from above."""
        return HoverExpert(lambda world, scenario: _over(world, scenario, scenario.target))

    def meanings(self) -> list[Meaning]:
        """Meanings of every object, every property that one of three objects alone can lack, and every place
        in the row."""
        pairs = [(color, kind) for color in RGBA for kind in SHAPES]
        properties = [f"not {color}" for color in RGBA] + [f"not a {kind}" for kind in SHAPES]
        properties += [f"neither {color} nor a {kind}" for color, kind in pairs]
        return [
            *(Meaning.of("name", object=f"{color} {kind}") for color, kind in pairs),
            *(Meaning.of("negation", property=words) for words in properties),
            *(Meaning.of("ordinal", ordinal=ordinal, side=side) for ordinal in ORDINALS for side in SIDES),
        ]


def _right(world: World, body: int) -> float:
    """Position of an object along the axis from left to right [m]."""
    return float(world.data.qpos[world.model.jnt_qposadr[world.model.body_jntadr[body]] + 1])


def _over(world: World, scenario: ReachScenario, body: int) -> Float[np.ndarray, " 3"]:
    """Position of a gripper that hovers over an object [m]."""
    return world.data.xpos[body] + np.array([0.0, 0.0, scenario.shapes[body].height + ABOVE])


def _distance(world: World, scenario: ReachScenario, body: int) -> float:
    """Distance of the gripper from the point above an object [m]."""
    return distance(world.data.site_xpos[world.robot.site], _over(world, scenario, body))
