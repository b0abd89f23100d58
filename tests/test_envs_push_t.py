"""The push_t task: what counts as in, and how well the quasi-static model foretells a push."""

from dataclasses import replace

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs import pushing
from vlasandbox.envs.experts.push_t import Goal
from vlasandbox.envs.props.objects import put
from vlasandbox.envs.sensors import refresh
from vlasandbox.envs.tasks.push_t import HEIGHT


@pytest.fixture(scope="module")
def env():
    environment = envs.make("push_t", image_size=32)
    yield environment
    environment.close()


def _pose(env) -> tuple[complex, float]:
    tee = env.scenario.tee
    rotation = env.data.xmat[tee]
    return complex(*env.data.xpos[tee, :2]), float(np.arctan2(rotation[3], rotation[0]))


def test_a_push_through_the_centre_of_mass_does_not_turn_the_t():
    shift, turn = pushing.twist(np.array([0.0 + 0.0342j, 0.0 - 0.0638j]), np.array([-1j, 1j]))
    assert np.allclose(shift, [-1j, 1j])
    assert np.allclose(turn, 0.0)


def test_the_contact_point_goes_along_with_the_pusher():
    shift, turn = pushing.twist(pushing.POINTS, pushing.WAYS)
    assert np.allclose(shift + 1j * turn * pushing.POINTS, pushing.WAYS)


def test_a_long_push_is_many_short_ones():
    shift, turn = pushing.twist(pushing.POINTS, pushing.WAYS)
    place, angle = np.zeros_like(shift), np.full(turn.shape, 0.3)
    whole = pushing.after(place, angle, shift, turn, np.array(0.05))
    for _ in range(50):
        place, angle = pushing.after(place, angle, shift, turn, np.array(0.001))
    assert np.allclose(whole[0], place)
    assert np.allclose(whole[1], angle)


def test_the_simulated_t_moves_about_as_foretold(env):
    definition, errors = env.definition, []
    ordinary = definition.reset
    for point, way in list(zip(pushing.POINTS, pushing.WAYS, strict=True))[::6]:

        def reset(world, rng, at=0.515 + point - way * 0.0165):
            scenario = ordinary(world, rng)
            put(world, scenario.tee, np.array([0.515, 0.0, HEIGHT]))
            return replace(scenario, start=np.array([[at.real, at.imag, 0.016, np.pi / 4, -1.0]]))

        definition.reset = reset
        env.reset(seed=0)
        env.step_block(np.tile([0.01 * way.real, 0.01 * way.imag, 0.0, 0.0, -1.0], (3, 1)))
        place, angle = _pose(env)
        motion = pushing.twist(np.array([point]), np.array([way]))
        to, turned = pushing.after(np.array([0.515 + 0j]), np.zeros(1), *motion, np.array(0.029))
        errors.append([abs(place - to[0]), abs(angle - turned[0])])
    definition.reset = ordinary
    distance, turn = np.sqrt(np.mean(np.square(errors), axis=0))
    assert distance < 0.006
    assert turn < np.radians(5)


def test_a_planned_push_leaves_less_error():
    goal = Goal(0.54 + 0.1j, 0.2)
    shift, turn = pushing.twist(pushing.POINTS, pushing.WAYS)
    left, lengths = goal.left(0.46 + 0j, -0.3, shift, turn)
    assert left.min() < 0.6 * abs(0.08 + 0.1j)
    assert lengths.min() > 0


def test_place_and_angle_both_count(env):
    env.reset(seed=0)
    scenario, definition = env.scenario, env.definition
    middle = np.array([scenario.place.real, scenario.place.imag, HEIGHT])
    for offset, turn, expected in (
        ([0.0, 0.0], 0.0, True),
        ([0.010, 0.010], np.radians(9), True),
        ([0.016, 0.0], 0.0, False),
        ([0.0, 0.0], np.radians(11), False),
        ([0.0, 0.0], np.pi, False),
    ):
        put(env.world, scenario.tee, middle + np.array([*offset, 0.0]), scenario.angle + turn)
        refresh(env.model, env.data)
        assert definition.is_success(env.world, scenario) is expected


def test_the_other_outline_is_the_wrong_one(env):
    env.reset(seed=0)
    scenario = env.scenario
    along = env.data.xmat[scenario.other].reshape(3, 3)[:2, 0]
    put(env.world, scenario.tee, env.data.xpos[scenario.other], float(np.arctan2(along[1], along[0])))
    refresh(env.model, env.data)
    assert env.definition.stage(env.world, scenario) == "wrong_outline"
    assert not env.definition.is_success(env.world, scenario)


def test_the_expert_never_grasps(env):
    expert = env.definition.expert()
    for seed in range(3):
        env.reset(seed=seed)
        for _ in range(60):
            env.step(expert.act(env))
            assert env.world.robot.opening(env.data) < 0.01
