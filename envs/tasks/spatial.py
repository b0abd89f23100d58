"""spatial: put one of three cubes beside a plate or another cube, or between two of them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from ..expert import Expert
from ..experts.carry import CarryExpert, Errand
from ..gl import mujoco
from ..language import Form, Meaning
from ..placement import Corners, area, waiting
from ..props.objects import RGBA, SHAPES, add_object, at_rest, body_id, fell_off, from_gripper
from ..props.spawn import sample_spread, spawn_objects
from ..props.tabletop import tabletop
from ..spatial_relations import WAYS, Relation
from ..task import Task
from ..world import Scenario, World

CUBES = 3
CUBE = SHAPES["cube"]
PLATE = 0.035
"""Radius of the plate [m]."""
AREA = (np.array([0.41, -0.17]), np.array([0.61, 0.17]))
"""Corners of the rectangle from which the cubes' centers are drawn, x and y [m]."""
PLATE_AREA = (np.array([0.48, -0.06]), np.array([0.54, 0.06]))
"""Corners of the rectangle from which the plate's center is drawn, x and y [m]."""
APART = 0.08
"""Minimum distance of the cubes' centers from the plate's [m]."""
DROP = 0.008
"""Height of the cube's underside above the table when the expert releases it [m]."""
LOW = 0.04
"""Largest height of the center of a cube that lies on the table, not on another cube [m]."""
AWAY = 0.07
"""Minimum distance of the gripper from the cube for success [m]."""
INDIRECT = 0.25
"""Share of instructions that describe the cube by what it is not."""
NEAR = 0.05
"""Largest distance from the cube's center at which the middle of the gripper has reached the cube [m]."""


@dataclass(frozen=True)
class SpatialScenario(Scenario):
    """Scenario with the cube to move and its destination."""

    target: int
    """Body id of the cube to move."""
    others: tuple[int, ...]
    """Body ids of the other cubes."""
    relation: Relation
    """Spatial relation in which the target has to end."""
    names: dict[int, str]
    """Body id -> what it is called, for the cubes and the plate."""
    moves: tuple[tuple[int, Relation], ...]
    """Pairs of a cube and a relation that it does not start in and that has room for it."""


class Spatial(Task):
    """Put the named cube where the sentence says. Left and right are those of the front image."""

    forms = {  # noqa: RUF012
        "beside": Form(
            "put the {object} {relation} the {landmark}",
            (
                "place the {object} {relation} the {landmark}",
                "move the {object} until it is {relation} the {landmark}",
                "set down the {object} {relation} the {landmark}",
                "pick up the {object} and put it {relation} the {landmark}",
            ),
            (
                "i want the {object} {relation} the {landmark}",
                "the {object} belongs {relation} the {landmark}",
            ),
        ),
        "between": Form(
            "put the {object} between the {one} and the {other}",
            (
                "place the {object} midway between the {one} and the {other}",
                "move the {object} into the gap between the {one} and the {other}",
                "set down the {object} halfway between the {one} and the {other}",
                "pick up the {object} and put it between the {one} and the {other}",
            ),
            (
                "the {object} belongs between the {one} and the {other}",
                "the {one} and the {other} should be on either side of the {object}",
            ),
        ),
    }
    stages = ("start", "wrong_cube", "reached", "grasped", "at_place", "placed")
    time_limit = 10.0

    def build(self) -> mujoco.MjSpec:
        """Builds three cubes and a flat plate without collisions."""
        spec = tabletop(self.robots)
        spec.worldbody.add_body(name="plate").add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[PLATE, 0.001, 0], rgba=[0.96, 0.96, 0.97, 1],
            contype=0, conaffinity=0,
        )  # fmt: skip
        for slot in range(CUBES):
            add_object(spec, f"object_{slot}")
        return spec

    def reset(self, world: World, rng: np.random.Generator) -> SpatialScenario:
        """Draws cubes of three colors and asks for any relation that has room."""
        colors = [[*RGBA][i] for i in rng.permutation(len(RGBA))[:CUBES]]
        form = [*self.forms][rng.integers(len(self.forms))]

        arranged = partial(self._arranged, colors, form)
        return sample_spread(arranged, world, rng, lambda wide, nominal: wide.asked == nominal.asked)

    def _arranged(
        self, colors: list[str], form: str, world: World, rng: np.random.Generator
    ) -> SpatialScenario:
        plate = body_id(world.model, "plate")
        things = [(color, "cube") for color in colors]
        while True:
            world.model.body_pos[plate] = [*rng.uniform(*PLATE_AREA), 0.001]
            cubes = spawn_objects(world, things, partial(area, *AREA), self.robots[0].pads_outer, rng)
            mujoco.mj_kinematics(world.model, world.data)
            places = _places(world, [*cubes, plate])
            if min(np.hypot(*(places[cube] - places[plate])) for cube in cubes) < APART:
                continue
            feasible = [
                (cube, relation)
                for cube, relation in _moves(cubes, plate)
                if not relation.holds(cube, places)
                and relation.has_room(places, {*cubes} - {cube}, self.robots[0].pads_outer)
            ]
            chosen = [move for move in feasible if move[1].form == form]
            if not chosen:
                continue
            target, relation = chosen[rng.integers(len(chosen))]
            rest = [
                (cube, other)
                for cube, other in feasible
                if not relation.holds(target, {**places, cube: other.spot(places)})
            ]
            if rest:
                break
        names = {cube: f"{color} cube" for cube, color in zip(cubes, colors, strict=True)}
        names[plate] = "plate"
        return SpatialScenario(
            asked=_meaning(target, relation, names, rng.random() < INDIRECT),
            swapped=_meaning(*rest[rng.integers(len(rest))], names, rng.random() < INDIRECT),
            start=waiting(rng),
            target=target,
            others=tuple(cube for cube in cubes if cube != target),
            relation=relation,
            names=names,
            moves=tuple(feasible),
        )

    def questions(self, world: World, scenario: SpatialScenario) -> list[SpatialScenario]:
        """Scenarios for every move that was possible at the start, naming the cube by its color or by the
        others' colors."""
        cubes = (scenario.target, *scenario.others)
        return [
            replace(
                scenario,
                asked=_meaning(target, relation, scenario.names, indirect),
                target=target,
                others=tuple(cube for cube in cubes if cube != target),
                relation=relation,
            )
            for target, relation in scenario.moves
            for indirect in (False, True)
        ]

    def is_success(self, world: World, scenario: SpatialScenario) -> bool:
        """True when the cube is in the relation and the gripper has left it."""
        return (
            _is_there(world, scenario)
            and bool(world.data.xpos[scenario.target, 2] < LOW)
            and at_rest(world, scenario.target)
            and from_gripper(world, scenario.target) > AWAY
        )

    def has_failed(self, world: World, scenario: SpatialScenario) -> bool:
        """True when a cube has slid off the edge of the table."""
        return any(fell_off(world, cube) for cube in (scenario.target, *scenario.others))

    def progress(self, world: World, scenario: SpatialScenario) -> float:
        """Progress: 0.3 for the gripper's closeness, 0.2 for the grasp, 0.4 for the transport, and 0.1 for
        leaving."""
        held = scenario.target in world.held()
        if not held and _is_there(world, scenario):
            return 0.9
        way = world.data.xpos[scenario.target, :2] - _spot(world, scenario)
        carried = held * max(0.0, 1.0 - float(np.hypot(*way)) / 0.4)
        return 0.3 * max(0.0, 1.0 - from_gripper(world, scenario.target) / 0.4) + 0.2 * held + 0.4 * carried

    def stage(self, world: World, scenario: SpatialScenario) -> str:
        """Current stage of the episode."""
        held = world.held()
        if held.intersection(scenario.others):
            return "wrong_cube"
        if _is_there(world, scenario):
            return "at_place"
        if scenario.target in held:
            return "grasped"
        return "reached" if from_gripper(world, scenario.target) < NEAR else "start"

    def focus(self, world: World, scenario: SpatialScenario) -> Float[np.ndarray, " 3"]:
        """Position of the cube until it is held, then of its destination [m]."""
        if scenario.target in world.held() or _is_there(world, scenario):
            return np.append(_spot(world, scenario), CUBE.height)
        return world.data.xpos[scenario.target]

    def reserved(self, world: World, scenario: SpatialScenario) -> list[Corners]:
        """Area where the cube will stand."""
        spot = _spot(world, scenario)
        return [(spot - CUBE.radius, spot + CUBE.radius)]

    def expert(self) -> Expert:
        """Expert that grasps, carries, releases and retreats."""
        return CarryExpert(self.errand)

    def errand(self, world: World, scenario: SpatialScenario) -> Errand | None:
        """Move that remains for the expert, or None."""
        if scenario.target not in world.held() and _is_there(world, scenario):
            return None
        low, high = self.robots[0].limits.yaw
        yaw = scenario.relation.yaw(_places(world, scenario.relation.landmarks))
        spot = np.append(_spot(world, scenario), DROP)
        return Errand(scenario.target, CUBE, spot, min(max(yaw, low), high))

    def meanings(self) -> list[Meaning]:
        """Meanings of every cube, named by its color or by the colors that it does not have, beside or
        between other things."""
        asked = []
        for color in RGBA:
            rest = [other for other in RGBA if other != color]
            asked += _about(f"{color} cube", [f"{other} cube" for other in rest])
        for pair in itertools.combinations(RGBA, 2):
            asked += _about(_neither(pair), [f"{other} cube" for other in pair])
        return asked


def _moves(cubes: list[int], plate: int) -> Iterator[tuple[int, Relation]]:
    """Pairs of every cube with every relation to the other things."""
    for cube in cubes:
        landmarks = [body for body in (*cubes, plate) if body != cube]
        yield from ((cube, Relation((body,), way)) for body in landmarks for way in WAYS)
        yield from ((cube, Relation(pair)) for pair in itertools.permutations(landmarks, 2))


def _meaning(target: int, relation: Relation, names: dict[int, str], indirect: bool) -> Meaning:
    """Meaning that asks for a move of a cube named by its color or, if `indirect`, by what it is not."""
    words = names[target]
    if indirect:
        rest = {name.split()[0] for body, name in names.items() if body != target}
        words = _neither([color for color in RGBA if color in rest])
    landmarks = [names[body] for body in relation.landmarks]
    if relation.way:
        return Meaning.of("beside", object=words, relation=relation.way, landmark=landmarks[0])
    return Meaning.of("between", object=words, one=landmarks[0], other=landmarks[1])


def _about(words: str, cubes: list[str]) -> list[Meaning]:
    """Meanings of all that can be asked of a cube called `words` next to these cubes and the plate."""
    landmarks = [*cubes, "plate"]
    return [
        *(
            Meaning.of("beside", object=words, relation=way, landmark=name)
            for name in landmarks
            for way in WAYS
        ),
        *(
            Meaning.of("between", object=words, one=one, other=other)
            for one, other in itertools.permutations(landmarks, 2)
        ),
    ]


def _neither(colors: Sequence[str]) -> str:
    one, other = colors
    return f"cube that is neither {one} nor {other}"


def _places(world: World, bodies: Sequence[int]) -> dict[int, Float[np.ndarray, " 2"]]:
    return {body: world.data.xpos[body, :2].copy() for body in bodies}


def _spot(world: World, scenario: SpatialScenario) -> Float[np.ndarray, " 2"]:
    """Destination of the cube [m]."""
    return scenario.relation.spot(_places(world, scenario.relation.landmarks))


def _is_there(world: World, scenario: SpatialScenario) -> bool:
    """True when the cube is in the relation, at any height."""
    places = _places(world, (scenario.target, *scenario.relation.landmarks))
    return scenario.relation.holds(scenario.target, places)
