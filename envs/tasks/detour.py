"""detour: bring the gripper to the named mark, around the wall that stands exactly in between.

A sentence names a single attribute, the mark's color, so no combination can be held out.

Both ways around are equally long: scenes are mirror images of themselves, and nothing in them favors one
side. The average of the two ways runs into the wall. `Detour.mode` tells which way an episode took.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..control import ControlLimits
from ..expert import Expert
from ..experts.detour import ASIDE, DetourExpert, Way
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import Corners, area
from ..props.objects import RGBA, body_id, distance, paint, put
from ..props.tabletop import from_the_front, tabletop
from ..task import Task
from ..world import Scenario, World

WALL = (0.032, 0.005, 0.030)
"""Half sizes of a wall [m]."""
WALL_RGBA = (0.36, 0.30, 0.26, 1.0)
CEILING = 0.045
"""Highest commanded gripper position [m]: the fingers cannot pass over a wall."""
SPEED = 0.3
"""Maximum commanded speed [m/s]."""
TOO_HIGH = 0.055
"""Height of the gripper beyond which the episode fails [m], since joint commands are not bound by the
ceiling."""
CENTER = (np.array([0.502, -0.008]), np.array([0.518, 0.008]))
"""Corners of the rectangle from which the gripper's start is drawn, x and y [m]; a mark lies on either
side."""
TURN = 0.08
"""Largest rotation of the line through both marks from the y axis, in either direction [rad]."""
WALL_AT, MARK_AT = 0.09, 0.20
"""Distance of the walls and of the marks from the start [m]."""
PUSHED = 0.008
"""Displacement from which a wall counts as pushed [m]."""
ARRIVED = 0.015
"""Largest distance of the mark from the middle of a gripper that is on it [m]."""
VIEW = from_the_front((0.50, 0.0, 0.05), fovy=18.5)
"""Front view, lower and wider than usual so that both marks are visible."""
SIDES = {-1: "near", 1: "far"}
"""Ways around a wall, as seen from the robot."""


@dataclass(frozen=True)
class DetourScenario(Scenario):
    """Scenario with the geometry and the way that the expert takes."""

    mark: int
    """Body id of the mark to reach."""
    other: int
    marks: dict[int, str]
    """Body id -> color, for both marks."""
    walls: dict[int, Float[np.ndarray, " 2"]]
    """Body id of each wall -> its position, x and y [m]."""
    way: Way
    """Way to the mark around its wall. The side is in no observation."""


class Detour(Task):
    """Reach the named mark without pushing a wall."""

    forms = {  # noqa: RUF012
        "name": Form(
            "go to the {mark}",
            (
                "move to the {mark}",
                "bring the gripper to the {mark}",
                "go around the wall to the {mark}",
                "reach the {mark}",
            ),
            ("head for the {mark}", "the gripper belongs on the {mark}", "find your way to the {mark}"),
        )
    }
    stages = ("start", "wrong_mark", "beside_wall", "past_wall", "arrived")
    time_limit = 5.0

    @classmethod
    def limits(cls, limits: ControlLimits) -> ControlLimits:
        """Limits no higher than the walls, and slow enough that choosing a side takes a while."""
        return replace(limits, high=(*limits.high[:2], CEILING), speed=SPEED)

    def build(self) -> mujoco.MjSpec:
        """Builds two marks and two walls, which are free to move so that a push shows."""
        spec = tabletop(self.robots, VIEW)
        spec.nuserdata = 1
        for slot in range(2):
            spec.worldbody.add_body(name=f"mark_{slot}").add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[0.022, 0.022, 0.0005], contype=0, conaffinity=0,
            )  # fmt: skip
            wall = spec.worldbody.add_body(name=f"wall_{slot}", pos=[0.5, 0.0, 0.1])
            wall.add_freejoint(name=f"wall_{slot}")
            wall.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX, mass=0.1,
                size=WALL, rgba=WALL_RGBA, contype=1, conaffinity=1,
            )  # fmt: skip
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> DetourScenario:
        """Draws start, walls and marks on one line, and a color for each mark."""
        center = rng.uniform(*area(*CENTER, world.spread))
        angle = rng.uniform(-TURN, TURN)
        lateral = np.array([np.cos(angle), np.sin(angle)])
        ahead = np.array([-lateral[1], lateral[0]]) * rng.choice([-1.0, 1.0])
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))[:2]]
        walls, marks = {}, []
        for slot, (color, sign) in enumerate(zip(colors, (1, -1), strict=True)):
            marks.append(body_id(world.model, f"mark_{slot}"))
            world.model.body_pos[marks[slot]] = [*(center + sign * MARK_AT * ahead), 0.0005]
            paint(world.model, marks[slot], color)
            wall = body_id(world.model, f"wall_{slot}")
            walls[wall] = center + sign * WALL_AT * ahead
            put(world, wall, np.append(walls[wall], WALL[2]), angle)
        meanings = [_meaning(color) for color in colors]
        start = np.array([[*center, rng.uniform(0.020, 0.035), 0.0, -1.0]])
        side = int(rng.choice(list(SIDES)))
        return DetourScenario(
            asked=meanings[0],
            swapped=meanings[1],
            start=start,
            mark=marks[0],
            other=marks[1],
            marks=dict(zip(marks, colors, strict=True)),
            walls=walls,
            way=Way(center, ahead, lateral, WALL_AT, MARK_AT, side),
        )

    def questions(self, world: World, scenario: DetourScenario) -> list[DetourScenario]:
        """Scenarios for either mark; the way to the other mark leads in the opposite direction."""
        back = replace(scenario.way, ahead=-scenario.way.ahead)
        return [
            replace(
                scenario,
                asked=_meaning(scenario.marks[mark]),
                mark=mark,
                other=other,
                way=scenario.way if mark == scenario.mark else back,
            )
            for mark, other in itertools.permutations(scenario.marks)
        ]

    def after_step(self, world: World, scenario: DetourScenario) -> None:
        """Records on which side the gripper first passed the wall."""
        ahead, aside = scenario.way.seen_from(_gripper(world))
        if world.data.userdata[0] == 0 and ahead > WALL_AT:
            world.data.userdata[0] = np.sign(aside)

    def mode(self, world: World, scenario: DetourScenario) -> str | None:
        """The side, from `SIDES`, on which the gripper passed the named mark's wall; None if it has not
        passed it."""
        return SIDES.get(int(world.data.userdata[0]))

    def is_success(self, world: World, scenario: DetourScenario) -> bool:
        """True when the gripper is on the mark."""
        return _apart(world, scenario.mark) < ARRIVED and not self.has_failed(world, scenario)

    def has_failed(self, world: World, scenario: DetourScenario) -> bool:
        """True when a wall was pushed or the gripper went too high."""
        return bool(
            world.data.site_xpos[world.robot.site, 2] > TOO_HIGH
            or any(distance(world.data.xpos[wall, :2], at) > PUSHED for wall, at in scenario.walls.items())
        )

    def progress(self, world: World, scenario: DetourScenario) -> float:
        """Completed share of the way; 1 is reserved for success."""
        left = scenario.way.left(_gripper(world)) / scenario.way.left(scenario.way.start)
        return 0.95 * min(max(1.0 - left, 0.0), 1.0)

    def stage(self, world: World, scenario: DetourScenario) -> str:
        """Current stage of the episode."""
        if _apart(world, scenario.other) < ARRIVED:
            return "wrong_mark"
        ahead, aside = scenario.way.seen_from(_gripper(world))
        if ahead > WALL_AT:
            return "past_wall"
        return "beside_wall" if ahead > 0 and abs(aside) > WALL[0] else "start"

    def focus(self, world: World, scenario: DetourScenario) -> Float[np.ndarray, " 3"]:
        """Position of the mark [m]."""
        return world.data.xpos[scenario.mark]

    def reserved(self, world: World, scenario: DetourScenario) -> list[Corners]:
        """Areas of both ways to both marks."""
        reach = np.array([ASIDE, MARK_AT])
        return [(scenario.way.start - reach, scenario.way.start + reach)]

    def expert(self) -> Expert:
        """Expert that goes around one end of the wall to the mark."""
        return DetourExpert()

    def meanings(self) -> list[Meaning]:
        """A mark of every color."""
        return [_meaning(color) for color in RGBA]


def _meaning(color: str) -> Meaning:
    return Meaning.of("name", mark=f"{color} mark")


def _gripper(world: World) -> Float[np.ndarray, " 2"]:
    return world.data.site_xpos[world.robot.site, :2]


def _apart(world: World, mark: int) -> float:
    """Distance of the gripper from the center of a mark, in the plane [m]."""
    return float(np.hypot(*(_gripper(world) - world.data.xpos[mark, :2])))
