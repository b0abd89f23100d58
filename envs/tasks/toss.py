"""toss: throw the named one of two cubes into the named one of two bins, which are out of reach."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..control import ControlLimits
from ..expert import Expert
from ..experts.toss import TossExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, both_sides, waiting
from ..props.containers import add_pen
from ..props.objects import (
    RGBA,
    SHAPES,
    add_object,
    at_rest,
    distance,
    dress,
    fell_off,
    from_gripper,
    furnish,
    put,
)
from ..props.tabletop import from_the_front, tabletop
from ..task import Task
from ..world import Scenario, World

CUBE = SHAPES["cube"]
CUBE_AREA = (np.array([0.40, 0.05]), np.array([0.46, 0.12]))
"""Corners of the rectangle for the right cube's center, x and y [m]; the left cube's is its mirror image."""
INSIDE, WALL = 0.075, 0.004
"""Half width of a bin and half thickness of its walls [m]."""
HEIGHT = 0.08
"""Height of a bin's walls [m]."""
BIN_AREA = (np.array([0.47, 0.355]), np.array([0.53, 0.365]))
"""Corners of the rectangle for the right bin's center, x and y [m]; the left bin's is its mirror image. The
gripper can bring a cube's center no nearer than 0.24 m."""
REACH = 0.27
"""Distance from the middle beyond which a cube that is in no bin is lost [m]."""
SPEED = 1.8
"""Maximum commanded speed [m/s]."""
YAW = (-1.35, 1.90)
"""Range of the commanded yaw [rad]: the fingers stay beside the path of the throw, not before or behind the
cube."""
VIEW = from_the_front((0.47, 0.0, 0.09), fovy=29.0)
"""Front view of the inner halves of both bins; cubes are five pixels wide in a 64-pixel image."""


@dataclass(frozen=True)
class TossScenario(Scenario):
    """Scenario with the cube and the bin of the instruction."""

    target: int
    """Body id of the cube to throw."""
    other: int
    bin: int
    """Body id of the bin to throw it into."""
    other_bin: int
    cubes: dict[int, str]
    bins: dict[int, str]
    """Body id of each bin -> color."""


class Toss(Task):
    """Make the named cube land in the named bin. The arm may move faster here than in other tasks."""

    forms = {  # noqa: RUF012
        "name": Form(
            "toss the {object} into the {bin}",
            (
                "throw the {object} into the {bin}",
                "fling the {object} into the {bin}",
                "throw the {object} so that it lands in the {bin}",
                "pitch the {object} into the {bin}",
            ),
            ("make the {object} fly into the {bin}", "hurl the {object} into the {bin}"),
        )
    }
    stages = ("start", "wrong_object", "missed", "wrong_bin", "reached", "grasped", "flying", "tossed")
    time_limit = 12.0

    @classmethod
    def limits(cls, limits: ControlLimits) -> ControlLimits:
        """Faster limits that let the fingers turn to either side of the throw."""
        return replace(limits, speed=SPEED, yaw=YAW)

    def build(self) -> mujoco.MjSpec:
        """Builds two cubes and two bins."""
        spec = tabletop(self.robots, VIEW)
        for slot in range(2):
            add_object(spec, f"object_{slot}")
            add_pen(spec, f"bin_{slot}", np.full(2, INSIDE), WALL, HEIGHT)
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> TossScenario:
        """Draws a cube and a bin on each side, in four colors."""
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))]
        cubes = [dress(world.model, f"object_{slot}", "cube", colors[slot]) for slot in range(2)]
        for cube, center in zip(cubes, both_sides(area(*CUBE_AREA, world.spread), rng), strict=True):
            put(world, cube, np.append(center, CUBE.height), rng.uniform(-CUBE.yaw, CUBE.yaw))
        places = both_sides(BIN_AREA, rng)
        bins = [furnish(world.model, f"bin_{i}", colors[2 + i], places[i]) for i in range(2)]
        meanings = [_meaning(cube, bin_) for cube in colors[:2] for bin_ in colors[2:]]
        return TossScenario(
            asked=meanings[0],
            swapped=meanings[rng.integers(1, 4)],
            start=waiting(rng),
            target=cubes[0],
            other=cubes[1],
            bin=bins[0],
            other_bin=bins[1],
            cubes=dict(zip(cubes, colors[:2], strict=True)),
            bins=dict(zip(bins, colors[2:], strict=True)),
        )

    def questions(self, world: World, scenario: TossScenario) -> list[TossScenario]:
        """Scenarios that throw either cube into either bin."""
        return [
            replace(
                scenario,
                asked=_meaning(scenario.cubes[target], scenario.bins[bin_]),
                target=target,
                other=other,
                bin=bin_,
                other_bin=other_bin,
            )
            for target, other in itertools.permutations(scenario.cubes)
            for bin_, other_bin in itertools.permutations(scenario.bins)
        ]

    def is_success(self, world: World, scenario: TossScenario) -> bool:
        """True when the cube alone lies in the bin."""
        return (
            _inside(world, scenario.bin, scenario.target)
            and at_rest(world, scenario.target)
            and not _inside(world, scenario.bin, scenario.other)
        )

    def has_failed(self, world: World, scenario: TossScenario) -> bool:
        """True when the cube lies out of reach and outside the bin."""
        return fell_off(world, scenario.target) or _is_missed(world, scenario)

    def progress(self, world: World, scenario: TossScenario) -> float:
        """Progress: 0.3 for the gripper's closeness, 0.2 for the grasp, and 0.4 for the closeness to the
        bin."""
        data = world.data
        away = distance(data.xpos[scenario.target, :2], data.xpos[scenario.bin, :2])
        near = 0.4 * max(0.0, 1.0 - away / 0.6)
        if abs(data.xpos[scenario.target, 1]) > REACH:
            return 0.5 + near
        reach = max(0.0, 1.0 - from_gripper(world, scenario.target) / 0.4)
        return 0.3 * reach + (0.2 + near if scenario.target in world.held() else 0.0)

    def stage(self, world: World, scenario: TossScenario) -> str:
        """Current stage of the episode."""
        held = world.held()
        if scenario.target in held:
            return "grasped"
        if _inside(world, scenario.other_bin, scenario.target):
            return "wrong_bin"
        if _is_missed(world, scenario):
            return "missed"
        if abs(world.data.xpos[scenario.target, 1]) > REACH:
            return "flying"
        away = abs(world.data.xpos[scenario.other, 1]) > REACH
        if scenario.other in held or away:
            return "wrong_object"
        return "reached" if from_gripper(world, scenario.target) < 0.05 else "start"

    def focus(self, world: World, scenario: TossScenario) -> Float[np.ndarray, " 3"]:
        """Position of the cube until it is held, then of the near half of the bin, which the front camera
        sees [m]."""
        if scenario.target not in world.held():
            return world.data.xpos[scenario.target]
        x, y, z = world.data.xpos[scenario.bin]
        return np.array([x, y - np.sign(y) * INSIDE / 2, z])

    def expert(self) -> Expert:
        """Expert that grasps, winds up and throws."""
        return TossExpert(HEIGHT)

    def meanings(self) -> list[Meaning]:
        """Meanings that throw every cube into every bin of another color."""
        return [_meaning(cube, bin_) for cube in RGBA for bin_ in RGBA if bin_ != cube]


def _meaning(cube: str, bin_: str) -> Meaning:
    return Meaning.of("name", object=f"{cube} cube", bin=f"{bin_} bin")


def _inside(world: World, bin_: int, cube: int) -> bool:
    x, y, z = np.abs(world.data.xpos[cube] - world.data.xpos[bin_]).tolist()
    return x < INSIDE and y < INSIDE and z < HEIGHT


def _is_missed(world: World, scenario: TossScenario) -> bool:
    cube = scenario.target
    _, y, z = world.data.xpos[cube].tolist()
    lies = at_rest(world, cube) and z < CUBE.radius
    return lies and abs(y) > REACH and not _inside(world, scenario.bin, cube)
