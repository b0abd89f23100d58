"""The press_buttons task: which buttons, in which order."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.objects import RGBA
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.tasks.press_buttons import TRAVEL


@pytest.fixture(scope="module")
def env():
    environment = envs.make("press_buttons", image_size=64)
    yield environment
    environment.close()


def _press(env, cap: int) -> None:
    env.data.qpos[env.model.jnt_qposadr[env.model.body_jntadr[cap]]] = TRAVEL
    refresh(env.model, env.data)


def _poke(env, cap: int) -> None:
    """Drives closed fingers over a button, down, and up again."""
    x, y, z = env.data.xpos[cap]
    for height, steps in ((0.1, 10), (z - 0.005, 6), (0.1, 6)):
        for _ in range(steps):
            command = env.command_towards(np.array([[x, y, height, 0.0, -1.0]]))
            env.step(env.actions.encode(command, env.reference()))


def test_only_the_named_two_in_their_order_are_success_and_anything_else_is_lost(env):
    orders = {
        (0, 1): (False, True),
        (0,): (False, False),
        (1,): (True, False),
        (2,): (True, False),
        (0, 2): (True, False),
    }
    for pressed, (lost, success) in orders.items():
        env.reset(seed=0)
        scenario = env.scenario
        caps = (scenario.first, scenario.second, scenario.third)
        assert not env.definition.has_failed(env.world, scenario)
        for number in pressed:
            _press(env, caps[number])
        assert env.definition.has_failed(env.world, scenario) is lost
        assert env.definition.is_success(env.world, scenario) is success


def test_a_poked_button_stays_down_and_the_others_stay_up(env):
    env.reset(seed=3)
    _poke(env, env.scenario.first)
    depths = [env.data.qpos[env.model.jnt(f"cap_{slot}").qposadr[0]] for slot in range(3)]
    assert sorted(np.array(depths) > 0.8 * TRAVEL) == [False, False, True]
    assert env._info()["stage"] == "one_pressed"
    hold = env.actions.encode(env.reference(), env.reference())
    env.step_block(np.tile(hold, (30, 1)))
    later = [env.data.qpos[env.model.jnt(f"cap_{slot}").qposadr[0]] for slot in range(3)]
    assert np.allclose(depths, later, atol=1e-4)


def test_pressing_the_second_button_first_ends_the_episode(env):
    env.reset(seed=3)
    _poke(env, env.scenario.second)
    assert env._lost
    assert env._info()["stage"] == "wrong_button"


def test_the_order_of_presses_is_told_after_restoring_a_state_in_between(env):
    env.reset(seed=3)
    _press(env, env.scenario.first)
    state = env.physics_state()
    env.reset(seed=3)
    env.set_physics_state(state)
    assert env._info()["stage"] == "one_pressed"
    assert np.array_equal(env.grounding()[1], env.data.xpos[env.scenario.second].astype(np.float32))


def test_a_pressed_button_looks_different(env):
    before, _ = env.reset(seed=3)
    _press(env, env.scenario.first)
    after = env._observation()
    changed = np.abs(after["pixels"]["front"].astype(int) - before["pixels"]["front"]).max(axis=-1) > 60
    assert changed.sum() >= 6


def test_names_are_the_paint_of_the_buttons_and_swapped_differs(env):
    for seed in range(30):
        env.reset(seed=seed)
        scenario = env.scenario
        for cap, slot in ((scenario.first, "first"), (scenario.second, "second")):
            colour = dict(scenario.asked.slots)[slot].split()[0]
            assert np.allclose(env.model.geom_rgba[env.model.body_geomadr[cap]], RGBA[colour])
        assert scenario.swapped != scenario.asked
