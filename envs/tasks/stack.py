"""stack: put one named cube on another; a third cube rules out guessing."""

import itertools
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.carry import CarryExpert, Errand
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, waiting
from ..props.objects import RGBA, SHAPES, add_object, at_rest, distance, fell_off, from_gripper, half_sizes
from ..props.spawn import spawn_objects
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

CUBES = 3
AREA = (np.array([0.43, -0.14]), np.array([0.60, 0.14]))
"""Corners of the rectangle from which the cubes' centers are drawn, x and y [m]."""
DROP = 0.006
"""Height above the lower cube at which the expert releases the upper one [m]."""
OFFSET = 0.02
"""Largest horizontal offset of the upper cube's center from the lower one's [m]."""
LEVEL = 0.005
"""Largest height error of a cube that lies flat in place [m]."""
AWAY = 0.07
"""Minimum distance of the gripper from the upper cube for success [m]."""
NEAR = 0.05
"""Largest distance from the upper cube's center at which the middle of the gripper has reached the cube
[m]."""
START = (np.array([0.38, -0.03, 0.20]), np.array([0.42, 0.03, 0.24]))
"""Corners of the box from which the gripper's start is drawn, x, y, z [m]."""


@dataclass(frozen=True)
class StackScenario(Scenario):
    """Scenario with the role of each cube."""

    upper: int
    """Body id of the cube to put on `lower`."""
    lower: int
    third: int
    cubes: dict[int, str]
    """Body id -> color, for all three cubes."""


class Stack(Task):
    """Stack one named cube on another; the order in the sentence matters."""

    forms = {  # noqa: RUF012
        "name": Form(
            "stack the {upper} on the {lower}",
            (
                "put the {upper} on top of the {lower}",
                "place the {upper} onto the {lower}",
                "set the {upper} on the {lower}",
                "build a tower with the {lower} under the {upper}",
            ),
            (
                "the {upper} should end up on the {lower}",
                "use the {lower} as the base and stack the {upper} on it",
                "i want the {upper} resting on the {lower}",
            ),
        )
    }
    stages = ("start", "wrong_cube", "reached", "grasped", "above", "stacked")
    time_limit = 10.0

    def build(self) -> mujoco.MjSpec:
        """Builds three cubes."""
        spec = tabletop(self.robots)
        for slot in range(CUBES):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> StackScenario:
        """Draws three cubes of different colors; the swapped instruction reverses the order."""
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))[:CUBES]]
        corners = partial(area, *AREA)
        things = [(color, "cube") for color in colors]
        upper, lower, third = spawn_objects(world, things, corners, self.robots[0].pads_outer, rng)
        return StackScenario(
            asked=_meaning(colors[0], colors[1]),
            swapped=_meaning(colors[1], colors[0]),
            start=waiting(rng, START),
            upper=upper,
            lower=lower,
            third=third,
            cubes=dict(zip((upper, lower, third), colors, strict=True)),
        )

    def questions(self, world: World, scenario: StackScenario) -> list[StackScenario]:
        """Scenarios that stack any cube on any other one."""
        return [
            replace(
                scenario,
                asked=_meaning(scenario.cubes[upper], scenario.cubes[lower]),
                upper=upper,
                lower=lower,
                third=third,
            )
            for upper, lower, third in itertools.permutations(scenario.cubes)
        ]

    def is_success(self, world: World, scenario: StackScenario) -> bool:
        """True when the upper cube lies on the lower one, which lies on the table, and the gripper has
        left."""
        return (
            _stacked(world, scenario)
            and at_rest(world, scenario.upper)
            and at_rest(world, scenario.lower)
            and from_gripper(world, scenario.upper) > AWAY
        )

    def has_failed(self, world: World, scenario: StackScenario) -> bool:
        """True when one of the two cubes has slid off the edge of the table."""
        return fell_off(world, scenario.upper) or fell_off(world, scenario.lower)

    def progress(self, world: World, scenario: StackScenario) -> float:
        """Progress: 0.3 for the gripper's closeness, 0.2 for the grasp, 0.4 for the transport, and 0.1 for
        leaving."""
        held = scenario.upper in world.held()
        if not held and _stacked(world, scenario):
            return 0.9
        way = distance(world.data.xpos[scenario.upper, :2], world.data.xpos[scenario.lower, :2])
        carried = held * max(0.0, 1.0 - way / 0.4)
        return 0.3 * max(0.0, 1.0 - from_gripper(world, scenario.upper) / 0.4) + 0.2 * held + 0.4 * carried

    def stage(self, world: World, scenario: StackScenario) -> str:
        """Current stage of the episode."""
        held = world.held()
        if scenario.upper in held or _stacked(world, scenario):
            way = world.data.xpos[scenario.upper] - world.data.xpos[scenario.lower]
            return "above" if np.abs(way[:2]).max() < OFFSET and way[2] > 0 else "grasped"
        if held.intersection((scenario.lower, scenario.third)):
            return "wrong_cube"
        return "reached" if from_gripper(world, scenario.upper) < NEAR else "start"

    def focus(self, world: World, scenario: StackScenario) -> Float[np.ndarray, " 3"]:
        """Position of the upper cube until it is held, then of the top of the lower one [m]."""
        if scenario.upper in world.held() or _stacked(world, scenario):
            return _top(world, scenario)
        return world.data.xpos[scenario.upper]

    def expert(self) -> Expert:
        """Expert that grasps, carries, releases and retreats."""
        return CarryExpert(self.errand)

    def errand(self, world: World, scenario: StackScenario) -> Errand | None:
        """Move that remains for the expert, or None."""
        if scenario.upper not in world.held() and _stacked(world, scenario, slack=DROP):
            return None
        spot = _top(world, scenario) + np.array([0.0, 0.0, DROP])
        return Errand(scenario.upper, SHAPES["cube"], spot, yaw=None)

    def meanings(self) -> list[Meaning]:
        """Meanings of every ordered pair of colors."""
        return [_meaning(upper, lower) for upper, lower in itertools.permutations(RGBA, 2)]


def _meaning(upper: str, lower: str) -> Meaning:
    return Meaning.of("name", upper=f"{upper} cube", lower=f"{lower} cube")


def _stacked(world: World, scenario: StackScenario, slack: float = 0.0) -> bool:
    """True when the upper cube is in place and at most `slack` [m] too high."""
    raised = world.data.xpos[scenario.lower, 2] - half_sizes(world.model, scenario.lower)[2]
    x, y, over = (world.data.xpos[scenario.upper] - _top(world, scenario)).tolist()
    gap = over - half_sizes(world.model, scenario.upper)[2]
    return bool(abs(raised) < LEVEL and -LEVEL < gap < LEVEL + slack and np.hypot(x, y) < OFFSET)


def _top(world: World, scenario: StackScenario) -> Float[np.ndarray, " 3"]:
    """Center of the lower cube's upper face [m]."""
    half = half_sizes(world.model, scenario.lower)[2]
    return world.data.xpos[scenario.lower] + np.array([0.0, 0.0, half])
