"""insert_peg: stand the peg in the hole of the named color, with little clearance.

A sentence names a single attribute, the hole's color, so no combination can be held out.

"insert_peg:clearance=0.001" makes the holes 1 mm wider than the peg.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ...common.errors import InputError
from ..expert import Expert
from ..experts.insert import InsertExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, both_sides, waiting
from ..props.objects import RGBA, Shape, at_rest, body_id, fell_off, from_gripper, furnish, half_sizes, put
from ..props.tabletop import tabletop
from ..robot import Robot
from ..task import Task
from ..world import Scenario, World

PEG = Shape((0.016, 0.016, 0.040), yaw=0.25, grasp=0.012)
BALLAST = 0.043
"""Depth of the peg's center of mass below its geometric center [m]."""
PEG_RGBA = (0.55, 0.40, 0.62, 1.0)
MASS, INERTIA = 0.1, 5e-5
"""Mass of the peg [kg] and its inertia about every axis [kg m^2]."""
RIM = 0.012
"""Half width of the walls around a hole [m]."""
DEPTH = 0.035
"""Depth of the holes, which end at the table [m]."""
PEG_AREA = (np.array([0.40, -0.12]), np.array([0.45, 0.12]))
"""Corners of the rectangle from which the peg's center is drawn, x and y [m]."""
HOLE_AREA = (np.array([0.53, 0.06]), np.array([0.58, 0.14]))
"""Corners of the rectangle for the right hole's center, x and y [m]; the left hole's is its mirror image."""
SEATED = 0.006
"""Largest height of the underside of an inserted peg above the table [m]."""
NEAR = 0.05
"""Largest distance from the peg's center at which the middle of the gripper has reached the peg [m]."""


@dataclass(frozen=True)
class InsertPegScenario(Scenario):
    """Scenario with the bodies of the peg and the holes."""

    peg: int
    hole: int
    """Body id of the walls around the hole to fill."""
    other: int
    holes: dict[int, str]
    """Body id -> color, for both holes."""


class InsertPeg(Task):
    """Put the peg into the named one of two holes and let go.

    Args:
        clearance: width of a hole minus that of the peg [m].
    """

    forms = {  # noqa: RUF012
        "name": Form(
            "insert the peg into the {hole}",
            (
                "put the peg into the {hole}",
                "push the peg into the {hole}",
                "stick the peg in the {hole}",
                "place the peg in the {hole}",
            ),
            ("the peg belongs in the {hole}", "fit the peg into the {hole}", "plug the {hole} with the peg"),
        )
    }
    stages = ("start", "wrong_hole", "reached", "grasped", "above", "entered", "inserted")
    time_limit = 16.0

    def __init__(self, robots: tuple[Robot, ...], clearance: float = 0.002) -> None:
        super().__init__(robots)
        if not 0 < clearance < 2 * RIM:
            raise InputError(f"insert_peg: clearance must be in (0, {2 * RIM}) m, got {clearance}")
        self.clearance = clearance

    def build(self) -> mujoco.MjSpec:
        """Builds a peg and two holes, each made of four walls."""
        spec = tabletop(self.robots)
        inside = PEG.size[0] + self.clearance / 2
        for slot in range(2):
            body = spec.worldbody.add_body(name=f"hole_{slot}")
            for sign in (-1, 1):
                out = sign * (inside + RIM)
                _wall(body, (out, 0.0), (RIM, inside + 2 * RIM))
                _wall(body, (0.0, out), (inside, RIM))
        peg = spec.worldbody.add_body(name="peg", pos=[0.5, 0.0, 0.1])
        peg.add_freejoint(name="peg")
        peg.explicitinertial = True
        # The center of mass lies below the foot so that the peg rights itself after any fall: fingers that
        # only point down could not stand it up.
        peg.mass, peg.ipos, peg.inertia = MASS, [0, 0, -BALLAST], [INERTIA] * 3
        peg.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, size=PEG.size, rgba=PEG_RGBA,
            condim=4, friction=[0.6, 0.01, 0.001], contype=1, conaffinity=1,
        )  # fmt: skip
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> InsertPegScenario:
        """Draws a hole on each side, in two colors."""
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))[:2]]
        peg = body_id(world.model, "peg")
        center = rng.uniform(*area(*PEG_AREA, world.spread))
        put(world, peg, np.append(center, PEG.height), rng.uniform(-PEG.yaw, PEG.yaw))
        centres = both_sides(area(*HOLE_AREA, world.spread), rng)
        holes = [furnish(world.model, f"hole_{i}", colors[i], centres[i]) for i in range(2)]
        meanings = [_meaning(color) for color in colors]
        return InsertPegScenario(
            asked=meanings[0],
            swapped=meanings[1],
            start=waiting(rng),
            peg=peg,
            hole=holes[0],
            other=holes[1],
            holes=dict(zip(holes, colors, strict=True)),
        )

    def questions(self, world: World, scenario: InsertPegScenario) -> list[InsertPegScenario]:
        """Scenarios for either hole."""
        return [
            replace(scenario, asked=_meaning(scenario.holes[hole]), hole=hole, other=other)
            for hole, other in itertools.permutations(scenario.holes)
        ]

    def is_success(self, world: World, scenario: InsertPegScenario) -> bool:
        """True when the peg stands in the hole, released."""
        return (
            _underside(world, scenario) < SEATED
            and self._over(world, scenario, scenario.hole)
            and scenario.peg not in world.held()
            and at_rest(world, scenario.peg)
        )

    def has_failed(self, world: World, scenario: InsertPegScenario) -> bool:
        """True when the peg has fallen off the table."""
        return fell_off(world, scenario.peg)

    def progress(self, world: World, scenario: InsertPegScenario) -> float:
        """Progress: 0.2 for the gripper's closeness, 0.2 for the grasp, 0.3 for the closeness to the hole,
        then the depth."""
        if self._over(world, scenario, scenario.hole) and (depth := _depth(world, scenario)) > 0:
            return 0.7 + 0.25 * min(depth, 1.0)
        if scenario.peg not in world.held():
            return 0.2 * max(0.0, 1.0 - from_gripper(world, scenario.peg) / 0.4)
        return 0.4 + 0.3 * max(0.0, 1.0 - _aside(world, scenario, scenario.hole).max() / 0.4)

    def stage(self, world: World, scenario: InsertPegScenario) -> str:
        """Current stage of the episode."""
        entered = _depth(world, scenario) > 0
        if entered and self._over(world, scenario, scenario.other):
            return "wrong_hole"
        if self._over(world, scenario, scenario.hole):
            return "entered" if entered else "above"
        if scenario.peg in world.held():
            return "grasped"
        return "reached" if from_gripper(world, scenario.peg) < NEAR else "start"

    def focus(self, world: World, scenario: InsertPegScenario) -> Float[np.ndarray, " 3"]:
        """Position of the peg until it is held, then of the hole [m]."""
        if scenario.peg in world.held():
            return world.data.xpos[scenario.hole] + [0.0, 0.0, DEPTH]
        return world.data.xpos[scenario.peg]

    def expert(self) -> Expert:
        """Expert that grasps, carries, aligns, lowers and releases."""
        return InsertExpert(PEG, DEPTH, self.clearance)

    def meanings(self) -> list[Meaning]:
        """A hole of every color."""
        return [_meaning(color) for color in RGBA]

    def _over(self, world: World, scenario: InsertPegScenario, hole: int) -> bool:
        """True when the peg's center is no farther from the hole's than the clearance allows."""
        return bool(_aside(world, scenario, hole).max() < self.clearance / 2 + 0.002)


def _meaning(color: str) -> Meaning:
    return Meaning.of("name", hole=f"{color} hole")


def _wall(body: mujoco.MjsBody, center: tuple[float, float], half: tuple[float, float]) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=[*center, DEPTH / 2], size=[*half, DEPTH / 2],
        friction=[0.3, 0.005, 0.0001], contype=0, conaffinity=1,
    )  # fmt: skip


def _aside(world: World, scenario: InsertPegScenario, hole: int) -> Float[np.ndarray, " 2"]:
    """Distance of the peg's center from a hole's along x and y [m]."""
    return np.abs(world.data.xpos[scenario.peg, :2] - world.data.xpos[hole, :2])


def _underside(world: World, scenario: InsertPegScenario) -> float:
    """Height of the peg's lowest point [m]."""
    down = np.abs(world.data.xmat[scenario.peg, 6:]) @ half_sizes(world.model, scenario.peg)
    return float(world.data.xpos[scenario.peg, 2] - down)


def _depth(world: World, scenario: InsertPegScenario) -> float:
    """Depth of the peg below the rim as a fraction of the hole's depth; negative above the rim."""
    return 1.0 - _underside(world, scenario) / DEPTH
