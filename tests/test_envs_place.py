"""The place task: both the object and the tray must be the named ones."""

import numpy as np
import pytest
from expert_episodes import act_until

from vlasandbox import envs
from vlasandbox.envs.props.containers import TRAY_HALF, TRAY_WALL, beside, inside
from vlasandbox.envs.props.objects import put
from vlasandbox.envs.sensors import refresh


@pytest.fixture(scope="module")
def env():
    environment = envs.make("place", image_size=32)
    yield environment
    environment.close()


def _set(env, body: int, place: np.ndarray) -> None:
    put(env.world, body, place)
    refresh(env.model, env.data)


def _in_tray(env, tray: int) -> np.ndarray:
    return env.model.body_pos[tray] + [0.0, 0.0, 0.03]


def test_only_the_named_object_alone_in_the_named_tray_is_success(env):
    env.reset(seed=0)
    scenario = env.scenario
    for body, tray, expected in (
        (scenario.others[0], scenario.tray, False),
        (scenario.target, scenario.tray, False),
        (scenario.others[0], scenario.other_tray, True),
        (scenario.target, scenario.other_tray, False),
    ):
        _set(env, body, _in_tray(env, tray))
        assert env.definition.is_success(env.world, scenario) is expected


def test_an_object_in_the_grip_is_not_placed(env):
    env.reset(seed=0)
    target, tray = env.scenario.target, env.scenario.tray
    act_until(env, lambda: target in env.world.held() and inside(env.world, tray, target))
    assert not env.definition.is_success(env.world, env.scenario)
    assert env.definition.stage(env.world, env.scenario) == "over_tray"


def test_trays_stand_clear_of_each_other_and_of_the_objects(env):
    for seed in range(50):
        env.reset(seed=seed)
        scenario = env.scenario
        trays = env.model.body_pos[[scenario.tray, scenario.other_tray]]
        assert abs(trays[0, 1] - trays[1, 1]) > 2 * (TRAY_HALF[1] + 2 * TRAY_WALL)
        edge = trays[:, 0].min() - TRAY_HALF[0] - 2 * TRAY_WALL
        for geom in np.flatnonzero(env.model.geom_contype == 1):
            rotation = env.data.geom_xmat[geom].reshape(3, 3)
            reach = np.abs(rotation[0]) @ env.model.geom_size[geom]
            assert env.data.geom_xpos[geom, 0] + reach < edge


def test_no_spread_puts_objects_into_the_trays():
    assert np.array_equal(beside(1.0)[1][:1], beside(4.0)[1][:1])
    assert beside(4.0)[1][1] > beside(1.0)[1][1]


def test_swapped_asks_for_another_object_or_another_tray(env):
    differences = set()
    for seed in range(30):
        env.reset(seed=seed)
        asked, swapped = dict(env.scenario.asked.slots), dict(env.scenario.swapped.slots)
        differences.add((asked["object"] != swapped["object"], asked["tray"] != swapped["tray"]))
    assert differences == {(True, False), (False, True), (True, True)}
