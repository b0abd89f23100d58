"""Smoothness of movements whose smoothness is known, and what a result tells of all its episodes."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_up_results import result
from numpy.polynomial import Polynomial

from vlasandbox.eval.compare.motion import (
    CUT,
    THRESHOLD,
    boundary_jump,
    chunk_of_step,
    motion_metrics,
    root_mean_square_jerk,
    spectral_arc_length,
)
from vlasandbox.eval.result import EvalResult
from vlasandbox.policies.execution import Execution

MINIMUM_JERK = Polynomial([0, 0, 0, 10, -15, 6])
"""The straight stroke of least squared jerk, from 0 to 1 in unit time."""
DIMS = ["dx", "dy", "dz", "dyaw", "gripper"]
SCALES = np.array([0.01, 0.3, 2.0, 50.0, 1.0])


def stroke(seconds: float, hz: float, metres: float = 0.3) -> np.ndarray:
    """Along a slanted line."""
    along = metres * MINIMUM_JERK(np.linspace(0, 1, round(seconds * hz) + 1))
    return along[:, None] * np.array([2, -1, 2]) / 3 + [0.5, 0.0, 0.1]


def rolled_out(
    plan: np.ndarray, execute: int, space: str = "ee_delta", delay: int = 0, dims: list[str] = DIMS
) -> EvalResult:
    """One episode whose actions are `plan` [t, a]; chunk i is planned at step i * execute."""
    made = result("some", "f")
    episode = made.episodes[0]
    episode.actions, episode.steps = plan.astype(np.float32), len(plan)
    chunk = np.zeros((execute + delay, plan.shape[1]), np.float32)
    episode.chunks = [(step, chunk) for step in range(0, len(plan), execute)]
    spec = made.spec | {"action_space": {"name": space, "dims": dims}}
    return replace(made, execution=Execution(execute, delay), spec=spec)


def jumping(first: list[int], steps: int, jump: float, rng: np.random.Generator) -> np.ndarray:
    """[t, 5]: each step adds SCALES or takes them away, those of `first` by `jump` times as much."""
    signs = rng.choice([-1.0, 1.0], (steps, len(DIMS)))
    signs[first] *= jump
    return (signs * SCALES).cumsum(axis=0)


def test_the_arc_length_of_a_bell_shaped_speed_is_the_integral_whatever_its_size_and_duration():
    # The spectrum of a bell is a bell too, cut at THRESHOLD: y = THRESHOLD^(x^2) for x in 0..1.
    x = np.linspace(0, 1, 100_001)
    exact = -np.hypot(np.diff(THRESHOLD ** (x**2)), np.diff(x)).sum()
    for width, size in ((0.1, 1.0), (0.4, 1.0), (0.4, 0.01)):
        time = np.arange(-8 * width, 8 * width, 0.01)
        along = size * np.exp(-0.5 * (time / width) ** 2).cumsum()
        path = along[:, None] * np.array([0.6, 0.0, 0.8])
        assert spectral_arc_length(path, 100.0) == pytest.approx(exact, abs=2e-3)


def test_the_arc_length_stops_at_ten_hertz_and_half_the_control_rate():
    # A single push has a flat spectrum up to where it is cut: length 1, and not smooth if it may ring on.
    push = np.zeros((40, 3))
    push[20:] = 0.1
    assert spectral_arc_length(push, 10.0) == pytest.approx(-1.0)
    # 20 Hz beside a constant speed: in sight only below the cut.
    time = np.arange(0, 4, 1 / 100)
    smooth, shaking = (
        np.cumsum(1 - np.cos(np.pi * time / 2) + a * np.cos(2 * np.pi * 2 * CUT * time)) for a in (0.0, 0.5)
    )
    lengths = [spectral_arc_length(p[:, None].repeat(3, 1), 100.0) for p in (smooth, shaking)]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.02)


def test_a_movement_that_pauses_or_trembles_is_less_smooth():
    one = stroke(1.0, 50.0)
    two = np.concatenate([one, np.repeat(one[-1:], 10, 0), one + one[-1] - one[0]])
    tremble = np.random.default_rng(0).normal(0, 2e-3, one.shape)
    lengths = [spectral_arc_length(path, 50.0) for path in (one, two, one + tremble)]
    assert lengths[0] == pytest.approx(-1.41, abs=0.01)
    assert max(lengths[1:]) < -1.8
    assert root_mean_square_jerk(one + tremble, 50.0) > 10 * root_mean_square_jerk(one, 50.0)


def test_jerk_is_that_of_the_formula():
    cubic = np.arange(20)[:, None] ** 3 / 1000 * np.array([2.0, 0.0, 1.0])  # t^3 at 10 Hz
    assert root_mean_square_jerk(cubic, 10.0) == pytest.approx(6 * 5**0.5)
    # Over time T and length D the least squared jerk is 720 D^2 / T^6 on average.
    assert root_mean_square_jerk(stroke(2.0, 200.0), 200.0) == pytest.approx(720**0.5 * 0.3 / 8, rel=0.02)


def test_what_does_not_move_or_is_too_short_is_not_measured():
    assert math.isnan(spectral_arc_length(np.ones((9, 3)), 10.0))
    assert math.isnan(spectral_arc_length(np.ones((1, 3)), 10.0))
    assert math.isnan(root_mean_square_jerk(np.ones((3, 3)), 10.0))
    assert root_mean_square_jerk(np.ones((4, 3)), 10.0) == 0.0


@pytest.mark.parametrize(("execute", "delay"), [(4, 0), (4, 1), (3, 3), (1, 0), (2, 1)])
def test_an_actions_chunk_is_the_one_that_it_was_taken_from(execute, delay):
    executor = Execution(execute, delay).start()
    chunks = [(i * execute, np.full((8, 1), i, np.float32)) for i in range(5)]
    actions = np.concatenate([executor.block(chunk) for _, chunk in chunks])
    made = rolled_out(actions, execute, delay=delay).episodes[0]
    assert chunk_of_step(made, Execution(execute, delay)).tolist() == actions[:, 0].tolist()


@pytest.mark.parametrize("delay", [0, 1, 4])
@pytest.mark.parametrize("jump", [1.0, 3.0, 0.5])
def test_the_jump_is_how_much_more_an_action_changes_where_a_chunk_begins(jump, delay):
    firsts = list(range(4 + delay, 40, 4))
    made = rolled_out(jumping(firsts, 40, jump, np.random.default_rng(0)), 4, delay=delay)
    assert boundary_jump(made) == pytest.approx(jump, rel=1e-3)


@pytest.mark.parametrize("kind", ["absolute", "relative"])
def test_the_jump_is_the_same_in_all_action_spaces(kind):
    firsts = list(range(4, 40, 4))
    velocity = jumping(firsts, 40, 3.0, np.random.default_rng(0))
    actions = velocity.cumsum(axis=0)
    if kind == "relative":
        actions = np.concatenate([velocity[i : i + 4].cumsum(axis=0) for i in range(0, 40, 4)])
    assert boundary_jump(rolled_out(actions, 4, f"ee_{kind}")) == pytest.approx(3.0, rel=1e-3)


def test_grippers_and_dimensions_that_rest_say_nothing_about_jumps():
    plan = jumping(list(range(4, 40, 4)), 40, 3.0, np.random.default_rng(0))
    plan[:, 1] = 0.25
    plan[:, 4] = np.random.default_rng(1).choice([-1.0, 1.0], 40)
    assert boundary_jump(rolled_out(plan, 4)) == pytest.approx(3.0, rel=1e-3)


def test_without_a_step_inside_a_chunk_there_is_no_jump_to_tell():
    plan = jumping([], 40, 1.0, np.random.default_rng(0))
    assert math.isnan(boundary_jump(rolled_out(plan, 1)))
    assert math.isnan(boundary_jump(rolled_out(plan, 40)))
    assert math.isnan(boundary_jump(rolled_out(np.zeros((40, 5)), 4)))
    expert = rolled_out(plan, 4)
    expert.episodes[0].chunks = []
    assert math.isnan(boundary_jump(expert))


def test_measures_are_over_all_episodes_but_the_time_over_successes_and_nothing_over_errors():
    made = rolled_out(np.zeros((20, 5)), 4)
    made.episodes = result("some", "ssfe").episodes
    for episode, steps, mode, seconds in zip(
        made.episodes, (20, 40, 99, 5), ("far", "near", "near", "far"), (2.0, 4.0, 3.0, 1.0), strict=True
    ):
        episode.steps, episode.mode, episode.path = steps, mode, stroke(seconds, 10.0).astype(np.float32)
    found = motion_metrics(made)
    assert found.time_to_success == pytest.approx(3.0)
    assert found.modes == {"far": 1, "near": 2}
    lengths = [spectral_arc_length(stroke(seconds, 10.0), 10.0) for seconds in (2.0, 4.0, 3.0)]
    assert found.sparc == pytest.approx(np.mean(lengths), rel=1e-3)
    jerks = [root_mean_square_jerk(stroke(seconds, 10.0), 10.0) for seconds in (2.0, 4.0, 3.0)]
    assert found.jerk == pytest.approx(np.mean(jerks), rel=1e-3)


def test_a_result_without_success_or_paths_has_measures_that_are_nan():
    made = rolled_out(np.zeros((20, 5)), 4)
    found = motion_metrics(made)
    assert all(math.isnan(x) for x in (found.time_to_success, found.sparc, found.jerk, found.boundary_jump))
    assert found.modes == {}
