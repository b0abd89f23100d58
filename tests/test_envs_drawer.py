"""The drawer task: which drawer, and which way."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.chest import DRAWERS, TRAVEL, bar, extension
from vlasandbox.envs.props.objects import RGBA
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.tasks.drawer import OPEN_ABOVE


@pytest.fixture(scope="module")
def env():
    environment = envs.make("drawer", image_size=32)
    yield environment
    environment.close()


def _move(env, drawer: int, extended: float) -> None:
    env.data.qpos[env.model.jnt_qposadr[env.model.body_jntadr[drawer]]] = extended
    refresh(env.model, env.data)


def _meant(env, words: str) -> list[int]:
    """Every drawer that `words` fit, by its paint and place."""
    drawers = [env.model.body(name).id for name in DRAWERS]
    if words.endswith("the robot"):
        far = sorted(drawers, key=lambda drawer: np.linalg.norm(env.data.xpos[drawer, :2]))
        return [far[0 if "closest" in words else 1]]
    colour = next(word for word in words.split() if word in RGBA)
    painted = {
        drawer: np.allclose(env.model.geom_rgba[env.model.body_geomadr[drawer]], RGBA[colour])
        for drawer in drawers
    }
    return [drawer for drawer in drawers if painted[drawer] != ("not" in words)]


def test_the_words_fit_one_drawer_and_a_move_that_is_left_to_make(env):
    seen = set()
    for seed in range(40):
        env.reset(seed=seed)
        for meaning, drawer in ((env.scenario.asked, env.scenario.drawer), (env.scenario.swapped, None)):
            (meant,) = _meant(env, dict(meaning.slots)["drawer"])
            assert drawer in (meant, None)
            extended = extension(env.world, meant)
            assert extended < OPEN_ABOVE - 0.01 if meaning.form == "open" else extended > 0.03
            assert meaning in env.definition.meanings()
            seen.add((meaning.form, meaning.slots[0][1].split()[-1]))
    assert seen == {(form, last) for form in ("open", "close") for last in ("drawer", "robot", *RGBA)}


def test_moving_the_other_drawer_is_no_success_whatever_the_named_one_does(env):
    for seed in range(12):
        env.reset(seed=seed)
        scenario = env.scenario
        done = TRAVEL if scenario.opens else 0.0
        _move(env, scenario.drawer, done)
        assert env.definition.is_success(env.world, scenario)
        _move(env, scenario.other, TRAVEL if scenario.before[scenario.other] < 0.06 else 0.0)
        assert not env.definition.is_success(env.world, scenario)
        assert env.definition.stage(env.world, scenario) == "wrong_drawer"


def test_the_opposite_move_is_no_success(env):
    for seed in range(12):
        env.reset(seed=seed)
        _move(env, env.scenario.drawer, 0.0 if env.scenario.opens else TRAVEL)
        assert not env.definition.is_success(env.world, env.scenario)


def test_bars_of_drawers_in_any_state_are_in_the_front_view(env):
    for seed in range(20):
        env.reset(seed=seed)
        for name in DRAWERS:
            pixel = env.project(bar(env.world, env.model.body(name).id)[None], "front", 96, 96)[0]
            assert (pixel > 4).all()
            assert (pixel < 92).all()
