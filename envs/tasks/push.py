"""push: slide the named one of two slabs, too wide to grasp, onto the named one of two squares."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.press import Drag, PressExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, both_sides, waiting
from ..props.objects import RGBA, at_rest, body_id, fell_off, from_gripper, paint, put
from ..props.tabletop import tabletop
from ..task import Task
from ..world import Scenario, World

PAIR = 2
SLAB = np.array([0.044, 0.044, 0.010])
"""Half sizes of a slab [m]: wider than an open gripper."""
TOP = 0.020
"""Height of a slab [m]."""
YAW = 0.3
"""Largest rotation of the slabs, in either direction [rad]."""
SQUARE = 0.060
"""Half the side length of the squares [m]."""
SLAB_AREA = (np.array([0.40, 0.06]), np.array([0.44, 0.14]))
"""Corners of the rectangle for the right slab's center, x and y [m]; the left slab's is its mirror image."""
SQUARE_AREA = (np.array([0.555, 0.08]), np.array([0.58, 0.14]))
"""Corners of the rectangle for the right square's center, x and y [m]; the left square's is its mirror
image."""
ON = 0.025
"""Largest distance between the centers of a slab and of the square that it is on [m]."""
CLEAR = 0.02
"""Minimum height of the fingers above the slab for success [m]."""
NEAR = 0.06
"""Largest distance from the slab's center at which the middle of the gripper has reached the slab [m]."""


@dataclass(frozen=True)
class PushScenario(Scenario):
    """Scenario with the slab and the square of the instruction."""

    target: int
    """Body id of the slab to push."""
    other: int
    square: int
    """Body id of the square to push it onto."""
    other_square: int
    slabs: dict[int, str]
    squares: dict[int, str]
    """Body id of each square -> color."""


class Push(Task):
    """Slide the named slab, and not the other one, onto the named square."""

    forms = {  # noqa: RUF012
        "name": Form(
            "push the {object} onto the {square}",
            (
                "slide the {object} onto the {square}",
                "move the {object} to the {square}",
                "shift the {object} until it is on the {square}",
                "bring the {object} over to the {square}",
            ),
            (
                "the {object} belongs on the {square}",
                "get the {object} onto the {square}",
                "cover the {square} with the {object}",
            ),
        )
    }
    stages = ("start", "wrong_slab", "wrong_square", "reached", "moving", "on_square", "pushed")
    time_limit = 8.0

    def build(self) -> mujoco.MjSpec:
        """Builds two slabs and two squares, not yet colored."""
        spec = tabletop(self.robots)
        for slot in range(PAIR):
            spec.worldbody.add_body(name=f"square_{slot}").add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[SQUARE, SQUARE, 0.0005], contype=0, conaffinity=0,
            )  # fmt: skip
            body = spec.worldbody.add_body(name=f"slab_{slot}", pos=[0.5, 0, 0.05])
            body.add_freejoint(name=f"slab_{slot}")
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX, mass=0.1,
                # Fingers grip the slab better than the table does: priority and the larger friction decide.
                size=SLAB, condim=4, friction=[0.4, 0.005, 0.0001], priority=1, contype=1, conaffinity=1,
            )  # fmt: skip
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> PushScenario:
        """Draws one slab and one square on each side, in four colors."""
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))]
        slabs, squares = (
            [body_id(world.model, f"{name}_{i}") for i in range(PAIR)] for name in ("slab", "square")
        )
        for body, color in zip((*slabs, *squares), colors, strict=True):
            paint(world.model, body, color)
        for body, center in zip(slabs, both_sides(area(*SLAB_AREA, world.spread), rng), strict=True):
            put(world, body, np.append(center, SLAB[2]), rng.uniform(-YAW, YAW))
        for body, center in zip(squares, both_sides(SQUARE_AREA, rng), strict=True):
            world.model.body_pos[body] = [*center, 0.0005]
        meanings = [_meaning(slab, square) for slab in colors[:PAIR] for square in colors[PAIR:]]
        return PushScenario(
            asked=meanings[0],
            swapped=meanings[rng.integers(1, len(meanings))],
            start=waiting(rng),
            target=slabs[0],
            other=slabs[1],
            square=squares[0],
            other_square=squares[1],
            slabs=dict(zip(slabs, colors[:PAIR], strict=True)),
            squares=dict(zip(squares, colors[PAIR:], strict=True)),
        )

    def questions(self, world: World, scenario: PushScenario) -> list[PushScenario]:
        """Scenarios that push either slab onto either square."""
        return [
            replace(
                scenario,
                asked=_meaning(scenario.slabs[target], scenario.squares[square]),
                target=target,
                other=other,
                square=square,
                other_square=other_square,
            )
            for target, other in itertools.permutations(scenario.slabs)
            for square, other_square in itertools.permutations(scenario.squares)
        ]

    def is_success(self, world: World, scenario: PushScenario) -> bool:
        """True when the slab alone lies on the square and the fingers have left it."""
        return (
            _apart(world, scenario.target, scenario.square) < ON
            and at_rest(world, scenario.target)
            and world.robot.lowest(world.model, world.data) > TOP + CLEAR
            and _apart(world, scenario.other, scenario.square) > SQUARE
        )

    def has_failed(self, world: World, scenario: PushScenario) -> bool:
        """True when the slab has slid off the edge of the table."""
        return fell_off(world, scenario.target)

    def progress(self, world: World, scenario: PushScenario) -> float:
        """Progress: 0.3 for the gripper's closeness, 0.6 for the slab's closeness to the square, and 0.1 for
        leaving."""
        way = _apart(world, scenario.target, scenario.square)
        reach = 1.0 if way < ON else max(0.0, 1.0 - from_gripper(world, scenario.target) / 0.4)
        return 0.3 * reach + 0.6 * max(0.0, 1.0 - max(way - ON, 0.0) / 0.4)

    def stage(self, world: World, scenario: PushScenario) -> str:
        """Current stage of the episode."""
        if any(
            _apart(world, scenario.other, square) < ON for square in (scenario.square, scenario.other_square)
        ):
            return "wrong_slab"
        if _apart(world, scenario.target, scenario.square) < ON:
            return "on_square"
        if _apart(world, scenario.target, scenario.other_square) < ON:
            return "wrong_square"
        if from_gripper(world, scenario.target) > NEAR:
            return "start"
        return "reached" if at_rest(world, scenario.target) else "moving"

    def focus(self, world: World, scenario: PushScenario) -> Float[np.ndarray, " 3"]:
        """Position of the slab until the fingers are on it, then of the square [m]."""
        body = scenario.target if from_gripper(world, scenario.target) > NEAR else scenario.square
        return world.data.xpos[body]

    def expert(self) -> Expert:
        """Expert that presses on the slab from above, drags it and rises."""
        return PressExpert(self.drag)

    def drag(self, world: World, scenario: PushScenario) -> Drag:
        """Object for the expert to drag, and its destination."""
        return Drag(scenario.target, TOP, world.data.xpos[scenario.square, :2], ON - 0.005)

    def meanings(self) -> list[Meaning]:
        """Meanings that push every slab onto every square of another color."""
        return [_meaning(slab, square) for slab in RGBA for square in RGBA if square != slab]


def _meaning(slab: str, square: str) -> Meaning:
    return Meaning.of("name", object=f"{slab} slab", square=f"{square} square")


def _apart(world: World, slab: int, square: int) -> float:
    """Distance between the centers of slab and square in the plane [m]."""
    return float(np.hypot(*(world.data.xpos[slab] - world.data.xpos[square])[:2]))
