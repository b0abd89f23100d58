"""The spatial task: where things are put, in the words of who looks through the front camera."""

import math

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.objects import RGBA, body_id, put
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.spatial_relations import DISTANCE, WAYS, Relation


@pytest.fixture(scope="module")
def env():
    environment = envs.make("spatial", image_size=32)
    yield environment
    environment.close()


def _place(env, cube: int, spot: np.ndarray, height: float = 0.025) -> None:
    put(env.world, cube, np.append(spot, height))
    refresh(env.model, env.data)


def _named(env, words: str) -> int:
    """The only thing that `words` fit, by its paint."""
    if words == "plate":
        return body_id(env.model, "plate")
    cubes = {}
    for geom in np.flatnonzero(env.model.geom_contype == 1):
        rgba = env.model.geom_rgba[geom]
        colour = next(name for name, value in RGBA.items() if np.allclose(rgba, value))
        cubes[colour] = int(env.model.geom_bodyid[geom])
    colours = {word for word in words.split() if word in RGBA}
    (cube,) = (cube for colour, cube in cubes.items() if (colour in colours) != ("neither" in words))
    return cube


def _move(env, meaning) -> tuple[int, Relation]:
    slots = dict(meaning.slots)
    if meaning.form == "beside":
        relation = Relation((_named(env, slots["landmark"]),), slots["relation"])
    else:
        relation = Relation((_named(env, slots["one"]), _named(env, slots["other"])))
    return _named(env, slots["object"]), relation


def _places(env) -> dict[int, np.ndarray]:
    return {body: env.data.xpos[body, :2].copy() for body in range(env.model.nbody)}


def test_the_words_are_what_the_predicate_checks_and_are_listed(env):
    forms, listed = [], env.definition.meanings()
    for seed in range(40):
        env.reset(seed=seed)
        assert _move(env, env.scenario.asked) == (env.scenario.target, env.scenario.relation)
        assert env.scenario.asked in listed
        assert env.scenario.swapped in listed
        forms.append(env.scenario.asked.form)
    assert min(forms.count("beside"), forms.count("between")) >= 10


def test_doing_what_is_asked_is_success_and_doing_what_swapped_asks_is_none(env):
    for seed in range(40):
        env.reset(seed=seed)
        state = env.physics_state()
        assert not env.definition.is_success(env.world, env.scenario)
        for meaning, success in ((env.scenario.swapped, False), (env.scenario.asked, True)):
            env.set_physics_state(state)
            cube, relation = _move(env, meaning)
            _place(env, cube, relation.spot(_places(env)))
            assert env.definition.is_success(env.world, env.scenario) is success


@pytest.mark.parametrize(
    ("way", "dx", "dy"),
    [("to the left of", -1, 0), ("to the right of", 1, 0), ("in front of", 0, 1), ("behind", 0, -1)],
)
def test_ways_are_directions_in_the_front_image(env, way, dx, dy):
    env.reset(seed=0)
    landmark = np.array([0.5, 0.05, 0.0])
    beside = landmark + np.append(DISTANCE * WAYS[way], 0.0)
    change = np.diff(env.project(np.array([landmark, beside]), "front", 96, 96), axis=0)[0]
    assert change @ [dx, dy] > 0.95 * np.linalg.norm(change)


def test_no_place_is_beside_a_landmark_in_two_ways():
    relations = [Relation((0,), way) for way in WAYS]
    for x in np.linspace(-0.2, 0.2, 41):
        for y in np.linspace(-0.2, 0.2, 41):
            places = {0: np.zeros(2), 1: np.array([x, y])}
            assert sum(relation.holds(1, places) for relation in relations) <= 1


def test_between_is_the_middle_of_the_line_in_either_order():
    places = {0: np.array([0.4, -0.1]), 1: np.array([0.55, 0.05]), 2: np.zeros(2)}
    for pair in ((0, 1), (1, 0)):
        relation = Relation(pair)
        for along, off, expected in (
            (0.5, 0.0, True),
            (0.5, 0.03, False),
            (0.7, 0.0, False),
            (1.5, 0.0, False),
        ):
            line = places[1] - places[0]
            across = np.array([line[1], -line[0]]) / np.linalg.norm(line)
            places[2] = places[0] + along * line + off * across
            assert relation.holds(2, places) is expected
        assert relation.yaw(places) == pytest.approx(math.pi / 4)


def test_a_cube_on_top_of_another_one_is_not_placed(env):
    env.reset(seed=0)
    _place(env, env.scenario.target, env.scenario.relation.spot(_places(env)), height=0.075)
    assert not env.definition.is_success(env.world, env.scenario)
