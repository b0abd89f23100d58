"""The turn_knob task: which knob, which way, how far."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.knobs import BAR, MARK_AT, angle, set_angle
from vlasandbox.envs.props.objects import RGBA, body_id
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.tasks.turn_knob import KNOBS


@pytest.fixture(scope="module")
def env():
    environment = envs.make("turn_knob", image_size=32)
    yield environment
    environment.close()


def _turn(env, knob: int, value: float) -> None:
    set_angle(env.world, knob, value)
    refresh(env.model, env.data)


def _painted(env, body: int) -> str:
    rgba = env.model.geom_rgba[env.model.body_geomadr[body]]
    return next(colour for colour, value in RGBA.items() if np.allclose(rgba, value))


def _name(knob: int, env) -> str:
    return env.model.body(knob).name


def _meant(env, meaning) -> tuple[int, float]:
    """Knob and sign of the angle that `meaning` asks for, found in the image's own left and right."""
    words = dict(meaning.slots)
    knobs = [body_id(env.model, name) for name in KNOBS]
    across = {knob: env.project(env.data.xpos[knob][None], "front", 96, 96)[0, 0] for knob in knobs}
    first = words["knob"].split()[0]
    if first in RGBA:
        (knob,) = (knob for knob in knobs if _painted(env, knob) == first)
    else:
        knob = sorted(knobs, key=across.__getitem__)[0 if first == "left" else 1]
    if meaning.form == "side":
        return knob, 1.0 if words["side"] == "left" else -1.0
    marks = [body_id(env.model, f"{_name(knob, env)}_mark_{side}") for side in range(2)]
    colour = next(word for word in words["mark"].split() if word in RGBA)
    (mark,) = (mark for mark in marks if (_painted(env, mark) == colour) != ("not" in words["mark"]))
    at = env.project(env.data.xpos[mark][None], "front", 96, 96)[0, 0]
    return knob, 1.0 if at < across[knob] else -1.0


def test_the_words_fit_the_goal_as_the_front_camera_sees_it(env):
    forms = set()
    for seed in range(40):
        env.reset(seed=seed)
        scenario = env.scenario
        forms.add(scenario.asked.form)
        assert _meant(env, scenario.asked) == (scenario.knob, np.sign(scenario.goal))
        assert _meant(env, scenario.swapped) != (scenario.knob, np.sign(scenario.goal))
        assert {scenario.asked, scenario.swapped} <= set(env.definition.meanings())
    assert forms == {"side", "mark"}


def test_a_knob_turned_left_points_left_in_the_front_image(env):
    env.reset(seed=0)
    knob = env.scenario.knob
    _turn(env, knob, 0.8)
    tip = env.data.xpos[knob] - env.data.xmat[knob].reshape(3, 3)[:, 0] * BAR[0]
    tip_x, knob_x = env.project(np.array([tip, env.data.xpos[knob]]), "front", 96, 96)[:, 0]
    assert tip_x < knob_x - 2


def test_a_knob_at_the_angle_of_a_mark_points_at_it(env):
    for seed in range(10):
        env.reset(seed=seed)
        knob = env.scenario.knob
        _turn(env, knob, env.scenario.goal)
        tip = env.data.xpos[knob] - env.data.xmat[knob].reshape(3, 3)[:, 0] * MARK_AT
        marks = [body_id(env.model, f"{_name(knob, env)}_mark_{side}") for side in range(2)]
        assert min(np.linalg.norm((env.data.xpos[mark] - tip)[:2]) for mark in marks) < 1e-6


def test_only_the_named_knob_on_the_named_side_is_success(env):
    for seed in range(20):
        env.reset(seed=seed)
        scenario, success = env.scenario, env.definition.is_success
        _turn(env, scenario.knob, -scenario.goal)
        assert not success(env.world, scenario)
        _turn(env, scenario.knob, scenario.goal)
        assert success(env.world, scenario)
        _turn(env, scenario.other, scenario.goal)
        assert not success(env.world, scenario)
        assert env.definition.stage(env.world, scenario) == "wrong_knob"


def test_a_mark_wants_precision_and_a_side_does_not(env):
    seen = set()
    for seed in range(20):
        env.reset(seed=seed)
        scenario = env.scenario
        _turn(env, scenario.knob, scenario.goal + 0.2 * np.sign(scenario.goal))
        assert env.definition.is_success(env.world, scenario) is (scenario.asked.form == "side")
        seen.add(scenario.asked.form)
    assert seen == {"side", "mark"}


def test_a_knob_stays_where_it_is_left(env):
    env.reset(seed=0)
    _turn(env, env.scenario.knob, 0.6)
    hold = env.actions.encode(env.reference(), env.reference())
    env.step_block(np.tile(hold, (20, 1)))
    assert angle(env.world, env.scenario.knob) == pytest.approx(0.6, abs=1e-3)
