"""The tidy_up task and the chest that it uses."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props import chest
from vlasandbox.envs.props.objects import put
from vlasandbox.envs.sensors import refresh


@pytest.fixture(scope="module")
def env():
    environment = envs.make("tidy_up", image_size=32)
    yield environment
    environment.close()


def _drawers(env) -> tuple[int, int]:
    """The named drawer and the other one."""
    bodies = [env.model.body(name).id for name in chest.DRAWERS]
    bodies.remove(env.scenario.drawer)
    return env.scenario.drawer, bodies[0]


def _pull(env, drawer: int, extension: float) -> None:
    env.data.qpos[env.model.jnt_qposadr[env.model.body_jntadr[drawer]]] = extension
    refresh(env.model, env.data)


def _fill(env, drawer: int, body: int) -> None:
    put(env.world, body, chest.bottom(env.world, drawer) + np.array([0.0, 0.0, 0.025]))
    refresh(env.model, env.data)


def test_only_the_named_object_alone_in_the_named_drawer_closed_is_success(env):
    env.reset(seed=0)
    named, other = _drawers(env)
    target, distractor = env.scenario.target, env.scenario.others[0]
    for body, drawer, expected in (
        (target, other, False),
        (target, named, True),
        (distractor, named, False),
        (distractor, other, True),
    ):
        _fill(env, drawer, body)
        assert env.definition.is_success(env.world, env.scenario) is expected
    _pull(env, named, chest.TRAVEL)
    _fill(env, named, target)
    assert not env.definition.is_success(env.world, env.scenario)


def test_an_episode_opens_the_named_drawer_only_and_goes_through_every_stage(env):
    expert = env.definition.expert()
    env.reset(seed=1)
    named, other = _drawers(env)
    seen, widest, done = [], {named: 0.0, other: 0.0}, False
    while not done:
        _, _, done, truncated, info = env.step(expert.act(env))
        assert not truncated
        seen += [info["stage"]] if info["stage"] not in seen else []
        widest = {drawer: max(widest[drawer], chest.extension(env.world, drawer)) for drawer in widest}
    assert seen == ["start", "opened", "grasped", "inside", "closed"]
    assert widest[named] > 0.1
    assert widest[other] < 0.002


def test_an_open_drawer_keeps_clear_of_the_objects(env):
    for seed in range(20):
        env.reset(seed=seed)
        for drawer in _drawers(env):
            _pull(env, drawer, chest.TRAVEL)
            edge = chest.bar(env.world, drawer)[1] - chest.BAR[1]
            for geom in np.flatnonzero(env.model.geom_contype == 1):
                reach = np.abs(env.data.geom_xmat[geom].reshape(3, 3)[1]) @ env.model.geom_size[geom]
                assert env.data.geom_xpos[geom, 1] + reach < edge
            _pull(env, drawer, 0.0)


def test_every_object_fits_under_the_lid_of_a_drawer(env):
    for seed in range(10):
        env.reset(seed=seed)
        assert chest.FLOOR + 2 * env.scenario.shape.height < chest.FRONT_HEIGHT


def test_objects_and_the_fronts_of_open_and_closed_drawers_are_in_the_front_view(env):
    for seed in range(20):
        env.reset(seed=seed)
        points = [env.data.xpos[body] for body in (env.scenario.target, *env.scenario.others)]
        points += [env.data.xpos[drawer] + [0.0, chest.FRONT - pulled, 0.0]
                   for drawer in _drawers(env) for pulled in (0.0, chest.TRAVEL)]  # fmt: skip
        pixels = env.project(np.array(points), "front", 64, 64)
        assert ((pixels > 4) & (pixels < 60)).all()
