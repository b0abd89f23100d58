"""pick: lift the named one of three objects; only color and shape together identify it."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.pick import PickExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, waiting
from ..props.objects import RGBA, SHAPES, Shape, add_object, fell_off, from_gripper, half_sizes
from ..props.spawn import spawn_objects
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

SLOTS = 3
AREA = (np.array([0.43, -0.14]), np.array([0.60, 0.14]))
"""Corners of the rectangle from which object centers are drawn, x and y [m]."""
LIFT = 0.05
"""Height above the resting position at which the lift counts as a success [m]."""
DISTURBED = 0.02
"""Height from which a lift of another object is a failure: the target was not picked alone [m]."""
NEAR = 0.05
"""Largest distance from the target's center at which the middle of the gripper has reached the target [m]."""


@dataclass(frozen=True)
class PickScenario(Scenario):
    """Scenario with the identity of each object."""

    target: int
    """Body id of the object to pick."""
    others: tuple[int, ...]
    """Body ids of the other objects."""
    things: dict[int, tuple[str, str]]
    """Body id -> color and shape, for all three objects."""

    @property
    def shape(self) -> Shape:
        """Shape of the target."""
        return SHAPES[self.things[self.target][1]]


class Pick(Task):
    """Lift the named object by 5 cm and hold it."""

    forms = {  # noqa: RUF012
        "name": Form(
            "pick up the {object}",
            (
                "grab the {object}",
                "lift the {object}",
                "take the {object} off the table",
                "raise the {object}",
            ),
            ("fetch me the {object}", "get a hold of the {object} and lift it", "i would like the {object}"),
        )
    }
    stages = ("start", "wrong_object", "reached", "grasped", "lifted")
    time_limit = 4.0

    def build(self) -> mujoco.MjSpec:
        """Builds three bodies, each of which can become any object."""
        spec = tabletop(self.robots)
        for slot in range(SLOTS):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> PickScenario:
        """Draws a target and two distractors, one of its color and one of its shape, in random slots."""
        kinds, colors = list(SHAPES), list(RGBA)
        kind, other_kind = (kinds[i] for i in rng.permutation(len(kinds))[:2])
        color, other_color = (colors[i] for i in rng.permutation(len(colors))[:2])
        objects = [(color, kind), (color, other_kind), (other_color, kind)]
        bodies = spawn_objects(world, objects, partial(area, *AREA), self.robots[0].pads_outer, rng)
        meanings = [_meaning(*thing) for thing in objects]
        return PickScenario(
            asked=meanings[0],
            swapped=meanings[rng.integers(1, SLOTS)],
            target=bodies[0],
            others=tuple(bodies[1:]),
            start=waiting(rng),
            things=dict(zip(bodies, objects, strict=True)),
        )

    def questions(self, world: World, scenario: PickScenario) -> list[PickScenario]:
        """One question per object."""
        return [
            replace(
                scenario,
                asked=_meaning(*thing),
                target=body,
                others=tuple(other for other in scenario.things if other != body),
            )
            for body, thing in scenario.things.items()
        ]

    def is_success(self, world: World, scenario: PickScenario) -> bool:
        """True when the target is lifted and no other object is."""
        return _lift(world, scenario.target) >= LIFT and all(
            _lift(world, body) <= DISTURBED for body in scenario.others
        )

    def has_failed(self, world: World, scenario: PickScenario) -> bool:
        """True when the target has slid off the edge of the table."""
        return fell_off(world, scenario.target)

    def progress(self, world: World, scenario: PickScenario) -> float:
        """Progress: 0.3 for the gripper's closeness, 0.2 for the grasp, and 0.5 for the height."""
        held = scenario.target in world.held()
        lift = min(max(_lift(world, scenario.target) / LIFT, 0.0), 1.0) if held else 0.0
        return 0.3 * max(0.0, 1.0 - from_gripper(world, scenario.target) / 0.4) + 0.2 * held + 0.5 * lift

    def stage(self, world: World, scenario: PickScenario) -> str:
        """Current stage of the episode."""
        held = world.held()
        if scenario.target in held:
            return "grasped"
        if held.intersection(scenario.others):
            return "wrong_object"
        return "reached" if from_gripper(world, scenario.target) < NEAR else "start"

    def focus(self, world: World, scenario: PickScenario) -> Float[np.ndarray, " 3"]:
        """Position of the target [m]."""
        return world.data.xpos[scenario.target]

    def expert(self) -> Expert:
        """Expert that hovers, descends, closes the gripper and lifts."""
        return PickExpert()

    def meanings(self) -> list[Meaning]:
        """Meanings for every color of every shape."""
        return [_meaning(color, kind) for color in RGBA for kind in SHAPES]


def _meaning(color: str, kind: str) -> Meaning:
    return Meaning.of("name", object=f"{color} {kind}")


def _lift(world: World, body: int) -> float:
    """Height of a body's center above its resting position [m]."""
    return float(world.data.xpos[body, 2] - half_sizes(world.model, body)[2])
