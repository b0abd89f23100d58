"""The trace task: all of the curve, in order, near to it, and remembered in the state."""

from typing import Any

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.props.curves import POINTS, SHAPES, at, draw_curve, from_segment, nearest
from vlasandbox.envs.tasks.trace import ACCURACY, VISITED_RGBA


@pytest.fixture(scope="module")
def env():
    environment = envs.make("trace", image_size=32)
    yield environment
    environment.close()


def _draw(env, places, height: float = 0.014) -> dict:
    """Goes from place to place, high up to the first one; returns the last step's info."""
    info = {}
    for place, z in [(places[0], 0.06), *((place, height) for place in places)]:
        for _ in range(20):
            goal = np.array([[*place, z, 0.0, -1.0]])
            *_, terminated, truncated, info = env.step(
                env.actions.encode(env.command_towards(goal), env.reference())
            )
            if terminated or truncated:
                return info
            if np.abs(env.reference()[:3] - goal[0, :3]).max() < 1e-3:
                break
    hold = env.actions.encode(env.reference(), env.reference())
    return env.step_block(np.tile(hold, (4, 1)))[-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_points_lie_at_equal_distances_along_the_curve_from_left_to_right(shape):
    points = draw_curve(shape, (0.05, 0.07), 0.2, np.array([0.5, 0.1]))
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert points.shape == (POINTS, 2)
    assert steps.max() < 0.02
    assert np.median(steps) == pytest.approx(steps.max(), rel=0.05)  # shorter only across corners
    assert points[0, 1] < points[-1, 1]


def test_the_nearest_spot_on_a_line_is_found():
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    position, distance = nearest(np.array([[0.25, 0.5], [2.0, 0.75], [-1.0, 0.0]]), line)
    assert np.allclose(position, [0.25, 1.75, 0.0])
    assert np.allclose(distance, [0.5, 1.0, 1.0])
    assert np.allclose(at(line, 1.75), [1.0, 0.75])
    assert [from_segment(place, [0.0, 0.0], [1.0, 0.0]) for place in ([0.25, 0.5], [2.0, 0.0])] == [0.5, 1.0]


def test_the_whole_curve_in_order_is_success_and_the_other_way_round_is_not(env):
    env.reset(seed=0)
    assert _draw(env, env.scenario.line)["is_success"]
    env.reset(seed=0)
    info = _draw(env, env.scenario.line[::-1])
    assert not info["is_success"]
    assert env.definition.visited(env.world) <= 2


def test_the_other_curve_is_no_success(env):
    env.reset(seed=0)
    info = _draw(env, env.scenario.other)
    assert info["stage"] == "wrong_curve"
    assert env.definition.visited(env.world) == 0


def test_no_point_may_be_left_out(env):
    for seed in range(100):
        env.reset(seed=seed)
        line = env.scenario.line
        if nearest(line[5:12], line[[4, 12]])[1].max() > 0.015:
            break
    else:
        pytest.fail("no curve has a corner that can be cut")
    assert not _draw(env, [*line[:5], *line[12:]])["is_success"]
    assert env.definition.visited(env.world) < 12


def test_raised_or_open_fingers_draw_nothing(env):
    env.reset(seed=0)
    _draw(env, env.scenario.line[:4], height=0.05)
    assert env.definition.visited(env.world) == 0


def test_a_sloppy_line_fails(env):
    env.reset(seed=0)
    sloppy = env.scenario.line.copy()
    sideways = np.gradient(sloppy, axis=0)[:, ::-1] * [1.0, -1.0]
    sloppy += (
        0.008
        * sideways
        / np.linalg.norm(sideways, axis=1, keepdims=True)
        * (-1.0) ** np.arange(POINTS)[:, None]
    )
    info = _draw(env, sloppy)
    assert env.definition.mean_error(env.world) > ACCURACY or env.definition.visited(env.world) < POINTS
    assert not info["is_success"]


def test_visited_points_turn_dark_and_come_back_with_a_stored_state(env):
    env.reset(seed=2)
    geoms = env.scenario.geoms
    _draw(env, env.scenario.line[:8])
    visited, state = env.definition.visited(env.world), env.physics_state()
    assert visited in (8, 9)
    assert np.allclose(env.model.geom_rgba[geoms[:visited]], VISITED_RGBA)
    assert np.allclose(env.model.geom_rgba[geoms[visited:]], env.scenario.rgba)
    painted = env.render_frame("front", 64, 64, "fast")
    env.reset(seed=2)
    assert env.definition.visited(env.world) == 0
    assert np.allclose(env.model.geom_rgba[geoms], env.scenario.rgba)
    env.set_physics_state(state)
    assert env.definition.visited(env.world) == visited
    assert np.array_equal(env.render_frame("front", 64, 64, "fast"), painted)


@pytest.mark.parametrize("hz", [5.0, 50.0])
def test_accuracy_does_not_depend_on_the_control_rate(hz):
    env = envs.make("trace", image_size=8, cameras=("wrist",), control_hz=hz)
    expert, errors = env.definition.expert(), []
    for seed in range(3):
        env.reset(seed=seed)
        done, info = False, {}
        while not done:
            *_, terminated, truncated, info = env.step(expert.act(env))
            done = terminated or truncated
        assert info["is_success"]
        definition: Any = env.definition
        errors.append(definition.mean_error(env.world))
    assert max(errors) < 0.001
    env.close()


def test_every_curve_is_in_the_front_view_from_end_to_end(env):
    for seed in range(20):
        env.reset(seed=seed)
        for line in (env.scenario.line, env.scenario.other):
            pixels = env.project(np.pad(line, ((0, 0), (0, 1))), "front", 64, 64)
            assert ((pixels > 3) & (pixels < 61)).all()
