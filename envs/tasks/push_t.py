"""push_t: push the T into the named one of two outlines with closed fingers.

A sentence names a single attribute, the outline's color, so no combination can be held out.
"""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from ..control import ControlLimits
from ..expert import Expert
from ..experts.push_t import PushTExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import area, both_sides, waiting
from ..props.objects import RGBA, at_rest, body_id, fell_off, from_gripper, paint, put
from ..props.tabletop import tabletop
from ..pushing import BAR, BAR_AT, STEM, STEM_AT
from ..task import Task
from ..world import Scenario, World

HEIGHT = 0.012
"""Half height of the T [m]."""
TEE_RGBA = (0.50, 0.22, 0.58, 1.0)
TEE_AREA = (np.array([0.45, -0.04]), np.array([0.47, 0.04]))
"""Corners of the rectangle from which the T's center of mass is drawn, x and y [m]."""
OUTLINE_AREA = (np.array([0.53, 0.09]), np.array([0.55, 0.11]))
"""Corners of the rectangle for one outline's center of mass, x and y [m]; the other one's is its mirror
image."""
RIM = np.array([[0.365, -0.215], [0.665, 0.215]])
"""Corners of the low walls that keep the T within reach, x and y [m]. The fingers pass through them."""
RIM_HALF, RIM_HEIGHT = 0.005, 0.018
"""Half thickness and half height of the low walls [m]."""
RIM_RGBA = (0.50, 0.48, 0.46, 1.0)
TURN = 0.6
"""Largest rotation of the T and of the outlines, in either direction [rad]."""
NEAR, ALIGNED = 0.015, math.radians(10)
"""Largest distance between the centers of mass [m] and largest difference of the angles [rad] of the T and
of the outline that it is in."""
ARM = 0.08
"""Position error that counts as much as one radian in `progress` [m]."""
SPEED = 0.25
"""Maximum commanded speed [m/s]."""
START = (np.array([0.38, -0.03, 0.12]), np.array([0.42, 0.03, 0.16]))
"""Corners of the box from which the gripper's start is drawn, x, y, z [m]."""


@dataclass(frozen=True)
class PushTScenario(Scenario):
    """Scenario with the bodies and the target pose."""

    tee: int
    outline: int
    """Body id of the outline to fill."""
    other: int
    place: complex
    """Target position of the T's center of mass, as x + iy [m]."""
    angle: float
    """Target angle of the T [rad]."""
    outlines: dict[int, tuple[str, complex, float]]
    """Body id -> color, position [m] and angle [rad], for both outlines."""


class PushT(Task):
    """Bring the T to lie in the named outline (after the task of Chi et al., "Diffusion Policy", 2023)."""

    forms = {  # noqa: RUF012
        "name": Form(
            "push the t into the {outline}",
            (
                "slide the t into the {outline}",
                "move the t onto the {outline}",
                "push the t until it covers the {outline}",
                "line the t up with the {outline}",
            ),
            ("the t belongs in the {outline}", "cover the {outline} with the t"),
        )
    }
    stages = ("start", "wrong_outline", "half_way", "near", "placed")
    time_limit = 40.0

    @classmethod
    def limits(cls, limits: ControlLimits) -> ControlLimits:
        """Limits slow enough that a pushed T does not fly off."""
        return replace(limits, speed=SPEED)

    def build(self) -> mujoco.MjSpec:
        """Builds the T and two flat outlines."""
        spec = tabletop(self.robots)
        for slot in range(2):
            outline = spec.worldbody.add_body(name=f"outline_{slot}", quat=[0.8, 0, 0, 0.6])
            _add_tee(outline, 0.0005, contype=0, conaffinity=0)
        x, y = (RIM[1] + RIM[0]) / 2
        half_x, half_y = (RIM[1] - RIM[0]) / 2
        for sign in (-1, 1):
            _add_wall(spec, (x + sign * half_x, y), (RIM_HALF, half_y))
            _add_wall(spec, (x, y + sign * half_y), (half_x, RIM_HALF))
        tee = spec.worldbody.add_body(name="tee", pos=[0.5, 0.0, 0.1])
        tee.add_freejoint(name="tee")
        _add_tee(
            tee, HEIGHT, mass=0.05, rgba=TEE_RGBA, contype=1, conaffinity=1,
            # Fingers grip the T better than the table does: priority and the larger friction decide.
            condim=4, friction=[0.4, 0.005, 0.0001], priority=1,
        )  # fmt: skip
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> PushTScenario:
        """Draws an outline on each side, in two colors."""
        colors = [list(RGBA)[i] for i in rng.permutation(len(RGBA))[:2]]
        tee = body_id(world.model, "tee")
        center = rng.uniform(*area(*TEE_AREA, world.spread))
        put(world, tee, np.append(center, HEIGHT), rng.uniform(-TURN, TURN))
        centres = both_sides(area(*OUTLINE_AREA, world.spread), rng)
        angles = rng.uniform(-TURN, TURN, size=2)
        outlines = [body_id(world.model, f"outline_{slot}") for slot in range(2)]
        for outline, color, place, angle in zip(outlines, colors, centres, angles, strict=True):
            world.model.body_pos[outline] = [*place, 0.0005]
            world.model.body_quat[outline] = [np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)]
            paint(world.model, outline, color)
        meanings = [_meaning(color) for color in colors]
        poses = [(complex(*place), float(angle)) for place, angle in zip(centres, angles, strict=True)]
        return PushTScenario(
            asked=meanings[0],
            swapped=meanings[1],
            start=waiting(rng, START, gripper=-1.0),
            tee=tee,
            outline=outlines[0],
            other=outlines[1],
            place=poses[0][0],
            angle=poses[0][1],
            outlines={
                body: (color, *pose) for body, color, pose in zip(outlines, colors, poses, strict=True)
            },
        )

    def questions(self, world: World, scenario: PushTScenario) -> list[PushTScenario]:
        """Scenarios for either outline."""
        found = []
        for outline, other in itertools.permutations(scenario.outlines):
            color, place, angle = scenario.outlines[outline]
            asked = _meaning(color)
            found.append(
                replace(scenario, asked=asked, outline=outline, other=other, place=place, angle=angle)
            )
        return found

    def is_success(self, world: World, scenario: PushTScenario) -> bool:
        """True when the T lies in the outline."""
        return _is_in(world, scenario, scenario.outline) and at_rest(world, scenario.tee)

    def has_failed(self, world: World, scenario: PushTScenario) -> bool:
        """True when the T has slid off the edge of the table."""
        return fell_off(world, scenario.tee)

    def progress(self, world: World, scenario: PushTScenario) -> float:
        """Progress: 0.1 for the gripper's closeness and 0.85 for the T's closeness in position and angle."""
        reach = max(0.0, 1.0 - from_gripper(world, scenario.tee) / 0.4)
        return 0.1 * reach + 0.85 * max(0.0, 1.0 - _error(world, scenario) / 0.4)

    def stage(self, world: World, scenario: PushTScenario) -> str:
        """Current stage of the episode."""
        if _is_in(world, scenario, scenario.other):
            return "wrong_outline"
        error = _error(world, scenario)
        return "near" if error < 0.03 else "half_way" if error < 0.07 else "start"

    def focus(self, world: World, scenario: PushTScenario) -> Float[np.ndarray, " 3"]:
        """Position of the outline [m]."""
        return world.data.xpos[scenario.outline]

    def expert(self) -> Expert:
        """Expert that plans one push after the other."""
        return PushTExpert()

    def meanings(self) -> list[Meaning]:
        """An outline of every color."""
        return [_meaning(color) for color in RGBA]


def _meaning(color: str) -> Meaning:
    return Meaning.of("name", outline=f"{color} outline")


def _add_tee(body: mujoco.MjsBody, half_height: float, **settings: Any) -> None:
    for (x, y), at in ((BAR, BAR_AT), (STEM, STEM_AT)):
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=[0, at, 0], size=[x, y, half_height], **settings)


def _add_wall(spec: mujoco.MjSpec, center: tuple[float, float], half: tuple[float, float]) -> None:
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=[*center, RIM_HEIGHT], size=[*half, RIM_HEIGHT],
        rgba=RIM_RGBA, friction=[0.2, 0.005, 0.0001], contype=0, conaffinity=1,
    )  # fmt: skip


def _off(world: World, scenario: PushTScenario, outline: int) -> tuple[float, float]:
    """Error of the T relative to an outline, in position [m] and angle [rad]."""
    data, bodies = world.data, (scenario.tee, outline)
    (x, y, _), (to_x, to_y, _) = (data.xpos[body].tolist() for body in bodies)
    (a, _, _, b, *_), (c, _, _, d, *_) = (data.xmat[body].tolist() for body in bodies)  # x axes, in the plane
    return float(np.hypot(x - to_x, y - to_y)), abs(float(np.arctan2(a * d - b * c, a * c + b * d)))


def _is_in(world: World, scenario: PushTScenario, outline: int) -> bool:
    away, turned = _off(world, scenario, outline)
    return away < NEAR and turned < ALIGNED


def _error(world: World, scenario: PushTScenario) -> float:
    away, turned = _off(world, scenario, scenario.outline)
    return away + ARM * turned
