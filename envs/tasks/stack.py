"""stack: put one named cube on another; the third one is in the way of guessing."""

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
"""Corners of the rectangle from which the cubes' centres are drawn, x and y [m]."""
DROP = 0.006
"""The cube is let go this high above the other one [m]."""
OFFSET = 0.02
"""Farthest that the upper cube's centre may be beside the lower one's [m]."""
LEVEL = 0.005
"""Height error of a cube that lies flat where it should [m]."""
AWAY = 0.07
"""Success asks the gripper to be this far from the upper cube [m]."""
NEAR = 0.05
"""The gripper has reached the upper cube when its middle is this near to the cube's centre [m]."""
START = (np.array([0.38, -0.03, 0.20]), np.array([0.42, 0.03, 0.24]))
"""Corners of the box in which the gripper waits, x, y, z [m]."""


@dataclass(frozen=True)
class StackScenario(Scenario):
    """Adds which cube is which."""

    upper: int
    """Body to put on `lower`."""
    lower: int
    third: int
    cubes: dict[int, str]
    """Body -> color, of all three."""


class Stack(Task):
    """Stack one named cube on the other; the order in the sentence matters."""

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
        """Three cubes."""
        spec = tabletop(self.robots)
        for slot in range(CUBES):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> StackScenario:
        """Three cubes of different colours; swapped is the reverse order."""
        colours = [list(RGBA)[i] for i in rng.permutation(len(RGBA))[:CUBES]]
        corners = partial(area, *AREA)
        things = [(colour, "cube") for colour in colours]
        upper, lower, third = spawn_objects(world, things, corners, self.robots[0].pads_outer, rng)
        return StackScenario(
            asked=_meaning(colours[0], colours[1]),
            swapped=_meaning(colours[1], colours[0]),
            start=waiting(rng, START),
            upper=upper,
            lower=lower,
            third=third,
            cubes=dict(zip((upper, lower, third), colours, strict=True)),
        )

    def questions(self, world: World, scenario: StackScenario) -> list[StackScenario]:
        """Any cube on any other."""
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
        """The upper cube lies on the lower one, which lies on the table, and the gripper has left."""
        return (
            _stacked(world, scenario)
            and at_rest(world, scenario.upper)
            and at_rest(world, scenario.lower)
            and from_gripper(world, scenario.upper) > AWAY
        )

    def has_failed(self, world: World, scenario: StackScenario) -> bool:
        """One of the two slid off the table's edge."""
        return fell_off(world, scenario.upper) or fell_off(world, scenario.lower)

    def progress(self, world: World, scenario: StackScenario) -> float:
        """0.3 for nearness of the gripper, 0.2 for the grasp, 0.4 for the way there, 0.1 for leaving."""
        held = scenario.upper in world.held()
        if not held and _stacked(world, scenario):
            return 0.9
        way = distance(world.data.xpos[scenario.upper, :2], world.data.xpos[scenario.lower, :2])
        carried = held * max(0.0, 1.0 - way / 0.4)
        return 0.3 * max(0.0, 1.0 - from_gripper(world, scenario.upper) / 0.4) + 0.2 * held + 0.4 * carried

    def stage(self, world: World, scenario: StackScenario) -> str:
        """Where the episode stands now."""
        held = world.held()
        if scenario.upper in held or _stacked(world, scenario):
            way = world.data.xpos[scenario.upper] - world.data.xpos[scenario.lower]
            return "above" if np.abs(way[:2]).max() < OFFSET and way[2] > 0 else "grasped"
        if held.intersection((scenario.lower, scenario.third)):
            return "wrong_cube"
        return "reached" if from_gripper(world, scenario.upper) < NEAR else "start"

    def focus(self, world: World, scenario: StackScenario) -> Float[np.ndarray, " 3"]:
        """The upper cube until it is held, then the top of the lower one."""
        if scenario.upper in world.held() or _stacked(world, scenario):
            return _top(world, scenario)
        return world.data.xpos[scenario.upper]

    def expert(self) -> Expert:
        """Grasp, carry over, let go, rise."""
        return CarryExpert(self.errand)

    def errand(self, world: World, scenario: StackScenario) -> Errand | None:
        """What the expert has left to do."""
        if scenario.upper not in world.held() and _stacked(world, scenario, slack=DROP):
            return None
        spot = _top(world, scenario) + np.array([0.0, 0.0, DROP])
        return Errand(scenario.upper, SHAPES["cube"], spot, yaw=None)

    def meanings(self) -> list[Meaning]:
        """Every ordered pair of colours."""
        return [_meaning(upper, lower) for upper, lower in itertools.permutations(RGBA, 2)]


def _meaning(upper: str, lower: str) -> Meaning:
    return Meaning.of("name", upper=f"{upper} cube", lower=f"{lower} cube")


def _stacked(world: World, scenario: StackScenario, slack: float = 0.0) -> bool:
    """Whether the upper cube is where it belongs, at most `slack` [m] too high."""
    raised = world.data.xpos[scenario.lower, 2] - half_sizes(world.model, scenario.lower)[2]
    x, y, over = (world.data.xpos[scenario.upper] - _top(world, scenario)).tolist()
    gap = over - half_sizes(world.model, scenario.upper)[2]
    return bool(abs(raised) < LEVEL and -LEVEL < gap < LEVEL + slack and np.hypot(x, y) < OFFSET)


def _top(world: World, scenario: StackScenario) -> Float[np.ndarray, " 3"]:
    """Middle of the lower cube's upper face [m]."""
    half = half_sizes(world.model, scenario.lower)[2]
    return world.data.xpos[scenario.lower] + np.array([0.0, 0.0, half])
