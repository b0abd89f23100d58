"""The reach task: every form of its instructions singles out one object of the scene."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.objects import RGBA
from vlasandbox.envs.tasks.reach import APART, ORDINALS


@pytest.fixture(scope="module")
def env():
    environment = envs.make("reach", image_size=32)
    yield environment
    environment.close()


def _objects(env) -> dict[int, set[str]]:
    """Body -> {colour, shape}, read from the model rather than from the task's bookkeeping."""
    found = {}
    for geom in np.flatnonzero(env.model.geom_contype == 1):
        rgba = tuple(np.round(env.model.geom_rgba[geom].astype(float), 3))
        colour = next(name for name, value in RGBA.items() if rgba == value)
        found[int(env.model.geom_bodyid[geom])] = {colour, env.model.geom(geom).name.rsplit("_", 1)[1]}
    return found


def _meant(env, meaning) -> list[int]:
    """Every object that the words fit."""
    objects, slots = _objects(env), dict(meaning.slots)
    if meaning.form == "name":
        return [body for body, words in objects.items() if words == set(slots["object"].split())]
    if meaning.form == "negation":
        lacks = {word for word in slots["property"].split() if word not in ("not", "no", "and")}
        return [body for body, words in objects.items() if not words & lacks]
    centres = np.array([env.data.xpos[body] for body in objects])
    across = env.project(centres, "front", 96, 96)[:, 0]
    order = np.argsort(across if slots["side"] == "left" else -across)
    return [list(objects)[order[ORDINALS.index(slots["ordinal"])]]]


def test_the_words_fit_the_target_and_nothing_else_as_the_front_camera_sees_it(env):
    forms = set()
    for seed in range(40):
        env.reset(seed=seed)
        forms.add(env.scenario.asked.form)
        assert _meant(env, env.scenario.asked) == [env.scenario.target]
    assert forms == set(env.definition.forms)


def test_the_swapped_words_fit_one_other_object(env):
    for seed in range(40):
        env.reset(seed=seed)
        (body,) = _meant(env, env.scenario.swapped)
        assert body != env.scenario.target


def test_neighbours_in_the_row_are_apart_and_every_place_is_asked_for(env):
    places = set()
    for seed in range(40):
        env.reset(seed=seed)
        across = {body: env.data.xpos[body, 1] for body in env.scenario.shapes}
        assert np.diff(sorted(across.values())).min() > APART - 0.003
        places.add(sorted(across, key=across.__getitem__).index(env.scenario.target))
    assert places == {0, 1, 2}


def test_what_is_asked_for_and_what_swapped_asks_for_are_listed(env):
    listed = env.definition.meanings()
    for seed in range(40):
        env.reset(seed=seed)
        assert env.scenario.asked in listed
        assert env.scenario.swapped in listed


def test_hovering_over_another_object_is_named_and_no_success(env):
    env.reset(seed=0)
    other = next(body for body in env.scenario.shapes if body != env.scenario.target)
    above = env.data.xpos[other] + [0.0, 0.0, env.scenario.shapes[other].height + 0.05]
    for _ in range(20):
        env.step(env.actions.encode(env.command_towards(np.array([[*above, 0.0, 1.0]])), env.reference()))
    assert env._info()["stage"] == "wrong_object"
    assert not env._info()["is_success"]
