"""trace: follow the named one of two drawn curves with closed fingers, from the named end to the other."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from ..expert import Expert
from ..experts.trace import TraceExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, waiting
from ..props.curves import POINTS, SHAPES, add_curve, draw_curve, from_segment, lay_out, nearest
from ..props.objects import RGBA, body_id
from ..props.tabletop import from_the_front, tabletop
from ..task import Task
from ..world import Scenario, World

AREA = (np.array([0.49, 0.10]), np.array([0.53, 0.11]))
"""Corners of the rectangle for the right curve's center, x and y [m]; the left curve's is its mirror
image."""
HALF = ((0.035, 0.060), (0.050, 0.075))
"""Smallest and largest half extents of the curves, x and y [m]."""
TURN = 0.25
"""Largest rotation of the curves, in either direction [rad]."""
WITHIN = 0.01
"""Largest distance at which the fingertips visit a point as they pass [m], after the point before."""
DOWN = 0.015
"""Height below which the fingertips draw [m]."""
CLOSED = 0.02
"""Largest opening of fingers that draw [m]."""
LOST = 0.015
"""Distance from the curve beyond which the fingertips have lost it and must take it up again [m]."""
ACCURACY = 0.004
"""Largest mean distance from the curve, over the length drawn, for success [m]."""
VISITED_RGBA = (0.25, 0.25, 0.27, 1.0)
BETWEEN = (0.25, 0.5, 0.75, 1.0)
"""Fractions of one control step's path at which it is checked."""
START = (np.array([0.38, -0.03, 0.10]), np.array([0.42, 0.03, 0.16]))
"""Corners of the box from which the gripper's start is drawn, x, y, z [m]."""
VIEW = from_the_front((0.485, 0.0, 0.11), fovy=17.0)
"""Front view of both ends of every curve."""
STARTS = {"left": slice(None), "right": slice(None, None, -1)}
"""End at which a curve begins -> slice that puts its points in that order."""
COUNT, LAST, ERROR, LENGTH = 0, slice(1, 3), 3, 4
"""Places in the user data: number of points visited; position at which the fingertips last drew (0, 0:
nowhere) [m]; their distance from the curve, integrated over the length drawn [m^2]; that length [m]."""


@dataclass(frozen=True)
class TraceScenario(Scenario):
    """Scenario with the two curves."""

    line: Float[np.ndarray, "p 2"]
    """Points of the curve to follow, in the order asked for [m]."""
    geoms: Int[np.ndarray, " p"]
    """Geom ids of the points of `line`."""
    rgba: tuple[float, ...]
    other: Float[np.ndarray, "p 2"]
    """Points of the other curve [m]."""
    curves: dict[str, tuple[Float[np.ndarray, "p 2"], Int[np.ndarray, " p"]]]
    """Color -> points [m] and geom ids from left to right, for both curves."""


class Trace(Task):
    """Visit all points of the named curve in order, close to it. Visited points turn dark.

    Left and right are those of the front image.
    """

    forms = {  # noqa: RUF012
        "name": Form(
            "trace the {curve} from {start} to {end}",
            (
                "follow the {curve} from {start} to {end}",
                "draw along the {curve} from {start} to {end}",
                "wipe along the {curve} from the {start} end to the {end} end",
                "move along the {curve} from {start} to {end}",
            ),
            (
                "go over the {curve}, beginning on the {start} and ending on the {end}",
                "start at the {start} end of the {curve} and work your way to the {end} end",
            ),
        )
    }
    stages = ("start", "wrong_curve", "begun", "quarter", "half", "three_quarters", "traced")
    time_limit = 12.0

    def build(self) -> mujoco.MjSpec:
        """Builds two curves."""
        spec = tabletop(self.robots, VIEW)
        spec.nuserdata = 5
        for slot in range(2):
            add_curve(spec, f"curve_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> TraceScenario:
        """Draws a curve on each side, in two colors and shapes."""
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))[:2]]
        shapes = [list(SHAPES)[i] for i in rng.permutation(len(SHAPES))[:2]]
        sides = rng.permutation([-1.0, 1.0])
        lines, geoms = [], []
        for slot in range(2):
            size = rng.uniform(*HALF) * [rng.choice([-1.0, 1.0]), 1.0]
            center = rng.uniform(*area(*AREA, world.spread)) * [1.0, sides[slot]]
            lines.append(draw_curve(shapes[slot], tuple(size), rng.uniform(-TURN, TURN), center))
            geoms.append(lay_out(world.model, body_id(world.model, f"curve_{slot}"), lines[slot]))
            world.model.geom_rgba[geoms[slot]] = RGBA[colors[slot]]
        meanings = [_meaning(color, start) for color in colors for start in STARTS]
        asked = int(rng.integers(2))
        order = list(STARTS.values())[asked]
        return TraceScenario(
            asked=meanings[asked],
            swapped=[m for m in meanings if m != meanings[asked]][rng.integers(3)],
            start=waiting(rng, START, gripper=-1.0),
            line=lines[0][order],
            geoms=geoms[0][order],
            rgba=RGBA[colors[0]],
            other=lines[1],
            curves=dict(zip(colors, zip(lines, geoms, strict=True), strict=True)),
        )

    def questions(self, world: World, scenario: TraceScenario) -> list[TraceScenario]:
        """Scenarios that trace either curve, from either end."""
        return [
            replace(
                scenario,
                asked=_meaning(color, start),
                line=scenario.curves[color][0][order],
                geoms=scenario.curves[color][1][order],
                rgba=RGBA[color],
                other=scenario.curves[other][0],
            )
            for color, other in itertools.permutations(scenario.curves)
            for start, order in STARTS.items()
        ]

    def after_step(self, world: World, scenario: TraceScenario) -> None:
        """Records which points the fingertips have passed and how close to the curve they stayed."""
        memory, tip = world.data.userdata, _tip(world)
        visited = self.visited(world)
        if tip is None:
            memory[LAST] = 0.0
        else:
            x, y = last = memory[LAST].tolist() if memory[LAST].any() else tip
            dx, dy = tip[0] - x, tip[1] - y
            if 0 < visited < POINTS:
                places = np.array([[x + share * dx, y + share * dy] for share in BETWEEN])
                errors = [away for away in nearest(places, scenario.line)[1].tolist() if away < LOST]
                drawn = math.hypot(dx, dy) / len(BETWEEN)
                memory[ERROR] += drawn * sum(errors)
                memory[LENGTH] += drawn * len(errors)
            while visited < POINTS and from_segment(scenario.line[visited].tolist(), last, tip) < WITHIN:
                visited += 1
            memory[COUNT] = visited
            memory[LAST] = tip
        world.model.geom_rgba[scenario.geoms[:visited]] = VISITED_RGBA
        world.model.geom_rgba[scenario.geoms[visited:]] = scenario.rgba

    def visited(self, world: World) -> int:
        """Number of points visited."""
        return int(world.data.userdata[COUNT])

    def mean_error(self, world: World) -> float:
        """Mean distance from the curve over the length drawn [m]."""
        memory = world.data.userdata
        return float(memory[ERROR] / max(memory[LENGTH], 1e-9))

    def is_success(self, world: World, scenario: TraceScenario) -> bool:
        """True when all points were visited and the fingertips stayed close to the curve."""
        return self.visited(world) == POINTS and self.mean_error(world) <= ACCURACY

    def has_failed(self, world: World, scenario: TraceScenario) -> bool:
        """True when all points were visited, but not accurately enough."""
        return self.visited(world) == POINTS and self.mean_error(world) > ACCURACY

    def progress(self, world: World, scenario: TraceScenario) -> float:
        """Progress: 0.1 for the closeness to the first point, then 0.85 for the share of points visited."""
        if not (visited := self.visited(world)):
            gripper = world.data.site_xpos[world.robot.site]
            away = float(np.linalg.norm(gripper - np.append(scenario.line[0], 0.0)))
            return 0.1 * max(0.0, 1.0 - away / 0.4)
        return 0.1 + 0.85 * visited / POINTS

    def stage(self, world: World, scenario: TraceScenario) -> str:
        """Current stage of the episode."""
        visited, tip = self.visited(world), _tip(world)
        if visited:
            return self.stages[2 + min(4 * visited // POINTS, 3)]
        wrong = tip is not None and nearest(np.array([tip]), scenario.other)[1][0] < WITHIN
        return "wrong_curve" if wrong else "start"

    def focus(self, world: World, scenario: TraceScenario) -> Float[np.ndarray, " 3"]:
        """Position of the next point [m]."""
        return np.append(scenario.line[min(self.visited(world), POINTS - 1)], 0.0)

    def expert(self) -> Expert:
        """Expert that lowers the fingers onto the next point and follows the curve."""
        return TraceExpert(self.visited)

    def meanings(self) -> list[Meaning]:
        """A curve of every color, in both directions."""
        return [_meaning(color, start) for color in RGBA for start in STARTS]


def _meaning(color: str, start: str) -> Meaning:
    end = {"left": "right", "right": "left"}[start]
    return Meaning.of("name", curve=f"{color} curve", start=start, end=end)


def _tip(world: World) -> list[float] | None:
    """Position at which closed fingers draw [m], or None if they do not."""
    draws = world.robot.opening(world.data) < CLOSED and world.robot.lowest(world.model, world.data) < DOWN
    return world.data.site_xpos[world.robot.site].tolist()[:2] if draws else None
