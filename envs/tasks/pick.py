"""pick: lift the named one of three objects; only colour and shape together tell which."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import language
from ..expert import Expert
from ..experts.pick import PickExpert
from ..gl import mujoco
from ..robots.franka import PADS_OUTER, Franka
from ..tabletop import TABLE, tabletop
from ..task import Scenario, Task, World

RGBA = {
    "red": (0.82, 0.10, 0.10, 1.0),
    "green": (0.10, 0.62, 0.16, 1.0),
    "blue": (0.12, 0.25, 0.85, 1.0),
    "yellow": (0.95, 0.80, 0.08, 1.0),
}


@dataclass(frozen=True)
class Shape:
    """A box, standing on the table."""

    size: tuple[float, float, float]
    """Half sizes along x, y, z [m]."""
    yaw: float
    """Yaws are drawn from +- this [rad]."""
    grasp: float = 0.0
    """Height of the grasp above the centre of an upright box [m]."""
    ballast: float = 0.0
    """Depth of the centre of mass below the centre [m]: a bumped carton rights itself."""

    @property
    def height(self) -> float:
        """Of the centre above the table when at rest [m]."""
        return self.size[2]

    @property
    def radius(self) -> float:
        """Of the upright cylinder that contains it [m]."""
        return math.hypot(self.size[0], self.size[1])


SHAPES = {
    "cube": Shape((0.025, 0.025, 0.025), yaw=math.radians(15)),
    "carton": Shape((0.018, 0.018, 0.045), yaw=math.radians(15), grasp=0.016, ballast=0.037),
    "brick": Shape((0.052, 0.016, 0.016), yaw=math.radians(35)),
}
SLOTS = 3
MASS = 0.1
"""[kg]"""
INERTIA = 5e-5
"""About every axis, for every shape [kg m^2]: shapes change between episodes without a recompile."""
AREA_LOW = np.array([0.43, -0.14])
AREA_HIGH = np.array([0.60, 0.14])
"""Object centres are drawn from this rectangle, x and y [m]."""
LIFT = 0.05
"""Success: this far above the resting height [m]."""
DISTURBED = 0.02
"""Another object lifted this far [m] is a failure to pick the named one alone."""
NEAR = 0.05
"""The gripper has reached the target when its middle is this near to the target's centre [m]."""
START_LOW = np.array([0.38, -0.03, 0.18])
START_HIGH = np.array([0.42, 0.03, 0.22])
"""The gripper waits in this box, x, y, z [m]."""


@dataclass(frozen=True)
class PickScenario(Scenario):
    """Adds what the objects are."""

    shape: Shape
    """Of the target."""
    rest_heights: dict[int, float]
    """Height of each body's centre at rest [m]."""


class Pick(Task):
    """Lift the named object by 5 cm and hold it."""

    name = "pick"
    robot = Franka()
    stages = ("start", "wrong_object", "reached", "grasped", "lifted")
    time_limit = 4.0

    def build(self) -> Any:
        """Three free bodies; each can become any shape, whose other geoms are then switched off."""
        spec = tabletop(self.robot)
        for slot in range(SLOTS):
            body = spec.worldbody.add_body(name=f"object_{slot}", pos=[0.5, 0.1 * slot, 0.05])
            body.add_freejoint(name=f"object_{slot}")
            body.explicitinertial = True
            body.mass, body.ipos, body.inertia = MASS, [0, 0, 0], [INERTIA] * 3
            for kind, shape in SHAPES.items():
                body.add_geom(
                    name=f"object_{slot}_{kind}",
                    type=mujoco.mjtGeom.mjGEOM_BOX,
                    size=shape.size, condim=4, friction=[1.0, 0.01, 0.001], contype=1, conaffinity=1,
                )  # fmt: skip
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> PickScenario:
        """A target and two distractors: one of its colour, one of its shape. Slots are dealt at random."""
        model, data = world.model, world.data
        kinds, colours = list(SHAPES), list(RGBA)
        kind, other_kind = (kinds[i] for i in rng.permutation(len(kinds))[:2])
        colour, other_colour = (colours[i] for i in rng.permutation(len(colours))[:2])
        objects = [(colour, kind), (colour, other_kind), (other_colour, kind)]
        slots = rng.permutation(SLOTS).tolist()
        chosen = [SHAPES[kind_] for _, kind_ in objects]
        yaws = np.array([rng.uniform(-shape.yaw, shape.yaw) for shape in chosen])
        centres = _place(chosen, yaws, rng)
        bodies, heights = [], {}
        for (colour_, kind_), shape, slot, centre, yaw in zip(
            objects, chosen, slots, centres, yaws, strict=True
        ):
            body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, f"object_{slot}")
            _become(model, slot, kind_, RGBA[colour_])
            address = model.jnt_qposadr[model.body_jntadr[body]]
            data.qpos[address : address + 3] = [*centre, shape.height]
            data.qpos[address + 3 : address + 7] = [math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]
            bodies.append(body)
            heights[body] = shape.height
        sentences = [language.instruction(self.name, *object_) for object_ in objects]
        return PickScenario(
            instruction=sentences[0],
            swapped_instruction=sentences[rng.integers(1, SLOTS)],
            target=bodies[0],
            others=tuple(bodies[1:]),
            start=np.array([*rng.uniform(START_LOW, START_HIGH), 0.0, 1.0]),
            shape=chosen[0],
            rest_heights=heights,
        )

    def is_success(self, world: World, scenario: Scenario) -> bool:
        """The target is up and nothing else is."""
        return _lift(world, scenario, scenario.target) >= LIFT and all(
            _lift(world, scenario, body) <= DISTURBED for body in scenario.others
        )

    def has_failed(self, world: World, scenario: Scenario) -> bool:
        """The target slid off the table's edge."""
        x, y, half_x, half_y = TABLE
        position = world.data.xpos[scenario.target]
        return bool(abs(position[0] - x) > half_x or abs(position[1] - y) > half_y)

    def progress(self, world: World, scenario: Scenario) -> float:
        """0.3 for closeness of the gripper, 0.2 for the grasp, 0.5 for the height."""
        if self.is_success(world, scenario):
            return 1.0
        held = scenario.target in world.robot.held(world.model, world.data)
        lift = min(max(_lift(world, scenario, scenario.target) / LIFT, 0.0), 1.0) if held else 0.0
        return 0.3 * max(0.0, 1.0 - _distance(world, scenario) / 0.4) + 0.2 * held + 0.5 * lift

    def stage(self, world: World, scenario: Scenario) -> str:
        """Where the episode stands now."""
        if self.is_success(world, scenario):
            return "lifted"
        held = world.robot.held(world.model, world.data)
        if scenario.target in held:
            return "grasped"
        if held.intersection(scenario.others):
            return "wrong_object"
        return "reached" if _distance(world, scenario) < NEAR else "start"

    def expert(self) -> Expert:
        """Hover, descend, close, lift."""
        return PickExpert(self.robot)

    def instructions(self) -> list[str]:
        """Colours times objects."""
        return [
            language.instruction(self.name, colour, object_)
            for colour in language.COLOURS
            for object_ in language.OBJECTS
        ]


def _lift(world: World, scenario: Scenario, body: int) -> float:
    """Height of a body above where it rests on the table [m]."""
    assert isinstance(scenario, PickScenario)
    return float(world.data.xpos[body, 2]) - scenario.rest_heights[body]


def _distance(world: World, scenario: Scenario) -> float:
    """From the gripper to the target's centre [m]."""
    return float(np.linalg.norm(world.data.site_xpos[world.robot.site] - world.data.xpos[scenario.target]))


def _become(model: Any, slot: int, kind: str, rgba: tuple[float, ...]) -> None:
    """Switches one geom of a slot on, the others off: no contacts, not drawn. Moves the centre of mass."""
    body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, f"object_{slot}")
    model.body_ipos[body] = [0.0, 0.0, -SHAPES[kind].ballast]
    for name in SHAPES:
        geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"object_{slot}_{name}")
        on = name == kind
        model.geom_contype[geom] = model.geom_conaffinity[geom] = int(on)
        model.geom_rgba[geom] = rgba if on else (0.0, 0.0, 0.0, 0.0)


def _place(shapes: list[Shape], yaws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Centres [objects, 2] at which open fingers reach every object without touching another one."""
    radii = np.array([shape.radius for shape in shapes])
    closing = np.stack([-np.sin(yaws), np.cos(yaws)], axis=1)
    while True:
        centres = rng.uniform(AREA_LOW, AREA_HIGH, size=(len(shapes), 2))
        fingers = centres[:, None] + PADS_OUTER * np.array([-1.0, 1.0])[:, None] * closing[:, None]
        gaps = np.linalg.norm(fingers[:, :, None] - centres, axis=-1) - radii  # [object, finger, other]
        between = np.linalg.norm(centres[:, None] - centres, axis=-1) - radii[:, None] - radii
        others = ~np.eye(len(shapes), dtype=bool)
        if between[others].min() > 0.01 and gaps.min(axis=1)[others].min() > 0.02:
            return centres
