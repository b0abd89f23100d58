"""handover: one arm passes the named one of three bars to the other arm, which lays it on the named mat."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.handover import HandoverExpert
from ..gl import mujoco
from ..language import Form, Meaning
from ..props.bars import BARS, INERTIA, MASS, add_mat, on_mat
from ..props.objects import RGBA, add_object, at_rest, distance, dress, fell_off, furnish, put
from ..props.tabletop import View, from_the_front, tabletop
from ..task import Task
from ..world import Scenario, World

OBJECTS, MATS = 3, 4
ARMS = ("left", "right")
SIDES = (-1, 1)
"""Sign of y on each arm's side."""
MIDDLE_X = 0.485
LANES = (-0.15, -0.05, 0.05, 0.15)
"""Positions in x of the objects on each side, relative to the middle [m]."""
ROW = 0.115
"""Distance in y of the objects' centers from the middle [m]."""
JITTER = np.array([0.005, 0.010])
"""Largest displacement of objects in either direction, x and y [m]."""
MAX_JITTER = np.array([0.008, 0.025])
"""Largest displacement at any spread, x and y [m]: open fingers fit between neighbors, and opposite bars do
not touch."""
AWAY = 0.07
"""Minimum distance of the grippers from the object's center for success [m]."""
NEAR = 0.08
"""Largest distance from the object's center at which the middle of a gripper has reached the object [m]."""
START = np.array([0.0, 0.15, 0.26])
"""Start of the right gripper, x relative to the middle, y, z [m]; the left gripper's is its mirror image."""
START_JITTER = 0.02
"""Largest displacement of both starts in either direction [m]."""
FRONT = from_the_front((0.485, 0.0, 0.10), fovy=20.0)
OVERVIEW = View((1.75, 0.0, 0.95), (0.45, 0.0, 0.25), fovy=46.0)


@dataclass(frozen=True)
class HandoverScenario(Scenario):
    """Scenario with the bar to pass, the arms' roles and the destination."""

    target: int
    """Body id of the bar to pass."""
    others: tuple[int, ...]
    """Body ids of the other bars."""
    giver: int
    """Index of the arm on whose side the target lies; the other arm receives it."""
    mat: int
    """Body id of the mat to lay the target on."""
    things: dict[int, tuple[str, str, int]]
    """Body id -> color, kind in BARS, and index of the arm on whose side it lies, for all three bars."""
    mats: dict[tuple[int, str], int]
    """Index of the arm on whose side it lies, and color -> body id of the mat."""

    @property
    def kind(self) -> str:
        """Kind of the target, in BARS."""
        return self.things[self.target][1]

    @property
    def receiver(self) -> int:
        """Index of the receiving arm."""
        return 1 - self.giver


class Handover(Task):
    """Pass the named bar, and no other, to the named arm and have it laid on the named mat there."""

    forms = {  # noqa: RUF012
        "name": Form(
            "hand the {object} to the {arm} arm and put it on the {mat}",
            (
                "pass the {object} to the {arm} arm and lay it on the {mat}",
                "give the {object} to the {arm} arm to put on the {mat}",
                "hand the {object} over to the {arm} arm and set it on the {mat}",
                "let the {arm} arm take the {object} and place it on the {mat}",
            ),
            (
                "the {arm} arm should receive the {object} and place it on the {mat}",
                "the {object} belongs on the {mat} by the {arm} arm, so hand it over",
                "i want the {arm} arm to take the {object} and leave it on the {mat}",
            ),
        )
    }
    stages = (
        "start", "wrong_object", "reached", "grasped", "offered", "received", "laid_down", "handed_over"
    )  # fmt: skip
    time_limit = 12.0
    crowded = True
    num_arms = 2
    default_robot = "franka_pair"

    def build(self) -> mujoco.MjSpec:
        """Builds two mats on each side and three bodies, each of which can become any bar."""
        spec = tabletop(self.robots, FRONT, OVERVIEW)
        for slot in range(MATS):
            add_mat(spec, f"mat_{slot}")
        for slot in range(OBJECTS):
            add_object(spec, f"object_{slot}", BARS, MASS, INERTIA)
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> HandoverScenario:
        """Draws the target and a distractor on the giver's side and another distractor on the other side; one
        shares the target's color, one its kind. Each side has a mat in both of the remaining colors."""
        giver = int(rng.integers(2))
        kind, other_kind = (list(BARS)[i] for i in rng.permutation(len(BARS)))
        color, other_color, *mat_colors = (list(RGBA)[i] for i in rng.permutation(len(RGBA)))
        distractors = [(color, other_kind), (other_color, kind)]
        things = [(color, kind), *(distractors[i] for i in rng.permutation(2))]
        owners = [giver, giver, 1 - giver]
        lanes = [rng.permutation(len(LANES)).tolist() for _ in SIDES]
        mats = {
            (side, mat_color): furnish(
                world.model, f"mat_{2 * side + i}", mat_color, _spot(side, lanes[side].pop())
            )
            for side in range(2)
            for i, mat_color in enumerate(mat_colors)
        }
        bodies = []
        slots = rng.permutation(OBJECTS).tolist()
        for slot, (color_, kind_), owner in zip(slots, things, owners, strict=True):
            body = dress(world.model, f"object_{slot}", kind_, color_, BARS)
            jitter = np.minimum(world.spread * JITTER, MAX_JITTER)
            center = _spot(owner, lanes[owner].pop()) + rng.uniform(-jitter, jitter)
            shape = BARS[kind_]
            put(
                world, body, np.append(center, shape.height), math.pi / 2 + rng.uniform(-shape.yaw, shape.yaw)
            )
            bodies.append(body)
        meanings = [
            _meaning(color_, kind_, mat, ARMS[1 - owner])
            for (color_, kind_), owner in zip(things, owners, strict=True)
            for mat in mat_colors
        ]
        return HandoverScenario(
            asked=meanings[0],
            swapped=meanings[rng.integers(1, len(meanings))],
            start=np.array([self._waiting(arm, rng) for arm in range(2)]),
            target=bodies[0],
            others=tuple(bodies[1:]),
            giver=giver,
            mat=mats[1 - giver, mat_colors[0]],
            things={body: (*thing, owner) for body, thing, owner in zip(bodies, things, owners, strict=True)},
            mats=mats,
        )

    def questions(self, world: World, scenario: HandoverScenario) -> list[HandoverScenario]:
        """Scenarios that pass each of the three bars to the arm on the other side, onto each of its mats."""
        return [
            replace(
                scenario,
                asked=_meaning(color, kind, mat_color, ARMS[1 - owner]),
                target=body,
                others=tuple(other for other in scenario.things if other != body),
                giver=owner,
                mat=mat,
            )
            for body, (color, kind, owner) in scenario.things.items()
            for (side, mat_color), mat in scenario.mats.items()
            if side != owner
        ]

    def _waiting(self, arm: int, rng: np.random.Generator) -> list[float]:
        position = START * [1, SIDES[arm], 1] + [MIDDLE_X, 0, 0]
        yaw = sum(self.robots[arm].limits.yaw) / 2
        return [*(position + rng.uniform(-START_JITTER, START_JITTER, 3)), yaw, 1.0]

    def is_success(self, world: World, scenario: HandoverScenario) -> bool:
        """True when the target alone lies on the mat and the grippers have left it."""
        return (
            on_mat(world, scenario.mat, scenario.target)
            and at_rest(world, scenario.target)
            and min(_distances(world, scenario)) > AWAY
            and not any(on_mat(world, scenario.mat, body) for body in scenario.others)
        )

    def has_failed(self, world: World, scenario: HandoverScenario) -> bool:
        """True when the target has slid off the edge of the table."""
        return fell_off(world, scenario.target)

    def progress(self, world: World, scenario: HandoverScenario) -> float:
        """Progress: 0.2 for the giver's closeness, 0.2 for its grasp, 0.2 for the receiver's grasp, 0.3 for
        the way to the mat, and 0.1 for leaving."""
        if on_mat(world, scenario.mat, scenario.target):
            return 0.9
        holders = _holders(world, scenario)
        if scenario.receiver in holders:
            way = distance(world.data.xpos[scenario.target], world.model.body_pos[scenario.mat])
            return 0.6 + 0.3 * max(0.0, 1.0 - way / 0.4)
        near = max(0.0, 1.0 - _distances(world, scenario)[scenario.giver] / 0.4)
        return 0.4 if scenario.giver in holders else 0.2 * near

    def stage(self, world: World, scenario: HandoverScenario) -> str:
        """Current stage of the episode."""
        holders = _holders(world, scenario)
        if world.held().intersection(scenario.others) or any(
            on_mat(world, scenario.mat, body) for body in scenario.others
        ):
            return "wrong_object"
        if on_mat(world, scenario.mat, scenario.target):
            return "laid_down"
        if holders:
            return (
                "offered" if len(holders) == 2 else "received" if scenario.receiver in holders else "grasped"
            )
        return "reached" if min(_distances(world, scenario)) < NEAR else "start"

    def focus(self, world: World, scenario: HandoverScenario) -> Float[np.ndarray, " 3"]:
        """Position of the target until only the receiver holds it, then of the mat [m]."""
        received = _holders(world, scenario) == [scenario.receiver]
        if received or on_mat(world, scenario.mat, scenario.target):
            return world.data.xpos[scenario.mat]
        return world.data.xpos[scenario.target]

    def expert(self) -> Expert:
        """Expert that fetches, presents, takes over, releases and lays down."""
        return HandoverExpert()

    def meanings(self) -> list[Meaning]:
        """Meanings that pass every bar to either arm, onto every mat of another color."""
        return [
            _meaning(color, kind, mat, arm)
            for color in RGBA
            for kind in BARS
            for mat in RGBA
            for arm in ARMS
            if mat != color
        ]


def _meaning(color: str, kind: str, mat: str, arm: str) -> Meaning:
    return Meaning.of("name", object=f"{color} {kind}", mat=f"{mat} mat", arm=arm)


def _spot(arm: int, lane: int) -> Float[np.ndarray, " 2"]:
    """Center of a lane on an arm's side [m]."""
    return np.array([MIDDLE_X + LANES[lane], SIDES[arm] * ROW])


def _holders(world: World, scenario: HandoverScenario) -> list[int]:
    """Indices of the arms that hold the target."""
    held = [robot.held(world.model, world.data) for robot in world.robots]
    return [arm for arm in range(2) if scenario.target in held[arm]]


def _distances(world: World, scenario: HandoverScenario) -> list[float]:
    """Distance of each gripper from the target's center [m]."""
    target = world.data.xpos[scenario.target]
    return [distance(world.data.site_xpos[robot.site], target) for robot in world.robots]
