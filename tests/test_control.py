"""Action spaces: exact conversion, equal limits, and replay of one demonstration in either."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vlasandbox import envs
from vlasandbox.envs.collect import collect_episode
from vlasandbox.envs.control import ACTION_SPACES, ControlLimits, action_space, convert

ROWS = hnp.arrays(np.float64, (7, 5), elements=st.floats(-2, 2, allow_subnormal=False))


@given(actions=ROWS, reference=ROWS, source=st.sampled_from(ACTION_SPACES), to=st.sampled_from(ACTION_SPACES))
def test_converting_there_and_back_gives_the_actions_again(actions, reference, source, to):
    there = convert(actions, reference, source, to)
    assert np.allclose(convert(there, reference, to, source), actions, atol=1e-12)


def test_the_worked_example_of_the_docstring():
    reference = np.array([[0.50, 0.00, 0.20, 0.0, 1.0]])
    delta = np.array([[0.01, 0.00, -0.05, 0.1, -1.0]])
    absolute = convert(delta, reference, "ee_delta", "ee_absolute")
    assert np.allclose(absolute, [[0.51, 0.00, 0.15, 0.1, -1.0]])


def test_converting_to_the_same_space_changes_nothing():
    actions = np.random.default_rng(0).normal(size=(4, 5))
    for name in ACTION_SPACES:
        assert np.allclose(convert(actions, actions[::-1].copy(), name, name), actions)


def test_unpaired_rows_are_refused():
    with pytest.raises(ValueError, match="3 actions cannot be paired with 2"):
        convert(np.zeros((3, 5)), np.zeros((2, 5)), "ee_delta", "ee_absolute")


@given(wanted=ROWS, hz=st.sampled_from([5.0, 10.0, 20.0]))
def test_a_commanded_target_is_within_reach_and_inside_the_workspace(wanted, hz):
    limits = ControlLimits()
    target = np.array([0.5, 0.0, 0.2, 0.0, 1.0])
    for row in wanted:
        following = limits.next_target(target, row, hz)
        assert np.linalg.norm(following[:3] - target[:3]) <= limits.speed / hz + 1e-9
        assert abs(following[3] - target[3]) <= limits.yaw_rate / hz + 1e-9
        assert (following[:4] >= limits.low).all()
        assert (following[:4] <= limits.high).all()
        assert following[4] in (-1.0, 1.0)
        target = following


def test_limits_do_not_write_into_their_arguments():
    reference, wanted = np.array([0.5, 0, 0.2, 0, 1.0]), np.array([9.0, 9, 9, 9, -1])
    ControlLimits().next_target(reference, wanted, 10.0)
    assert reference.tolist() == [0.5, 0, 0.2, 0, 1]
    assert wanted.tolist() == [9, 9, 9, 9, -1]


@pytest.mark.parametrize("recorded_in", ACTION_SPACES)
@pytest.mark.parametrize("replayed_in", ACTION_SPACES)
def test_replaying_a_demonstration_in_either_space_succeeds(recorded_in, replayed_in):
    recorder = envs.make(action_space=recorded_in, image_size=8)
    player = envs.make(action_space=replayed_in, image_size=8)
    for seed in range(5):
        episode = collect_episode(recorder, seed)
        assert episode.success
        actions = convert(episode.action, episode.reference, recorded_in, replayed_in)
        player.reset(seed=seed)
        *_, terminated, _, info = player.step_block(actions)
        assert terminated
        assert info["is_success"]
        assert np.allclose(player.data.qpos, recorder.data.qpos, atol=1e-3)
    recorder.close()
    player.close()


def test_actions_beyond_the_limits_are_clipped_alike_in_both_spaces():
    rng = np.random.default_rng(3)
    delta, absolute = (envs.make(action_space=name, image_size=8) for name in ACTION_SPACES)
    delta.reset(seed=0)
    absolute.reset(seed=0)
    for _ in range(12):
        action = rng.normal(scale=0.3, size=(1, 5))
        reference = delta._controller.reference[None]
        delta.step(action[0])
        absolute.step(convert(action, reference, "ee_delta", "ee_absolute")[0])
        assert np.allclose(delta.reference(), absolute.reference(), atol=1e-6)
    delta.close()
    absolute.close()


def test_the_gripper_is_where_it_was_commanded_to_be():
    env = envs.make(image_size=8)
    env.reset(seed=0)
    for action in ([0.03, 0.02, 0.0, 0.2, 1.0], [0.03, -0.04, -0.01, -0.1, 1.0], [0, 0, 0, 0, 1.0]):
        observation, *_ = env.step(np.array(action))
        assert np.abs(observation["agent_pos"][7:10] - env.reference()[:3]).max() < 0.004
    env.close()


@pytest.mark.parametrize("name", ACTION_SPACES)
def test_plus_one_opens_the_gripper_and_minus_one_closes_it(name: str):
    env = envs.make(action_space=name, image_size=8)
    env.reset(seed=0)
    for command, is_open in ((-1.0, False), (1.0, True)):
        stay = np.zeros(4) if name == "ee_delta" else env.reference()[:4]
        observation, *_ = env.step_block(np.tile([*stay, command], (6, 1)))
        opening = observation["agent_pos"][-1]  # [m]
        assert (opening > 0.06) == is_open
        assert (opening < 0.01) != is_open
        assert env.reference()[4] == command
    env.close()


def test_the_action_space_scales_with_the_control_rate():
    slow, fast = action_space("ee_delta", 10.0), action_space("ee_delta", 20.0)
    assert slow.high[0] == pytest.approx(2 * fast.high[0])


@pytest.mark.parametrize("hz", [5.0, 20.0])
def test_the_expert_works_at_other_control_rates(hz):
    env = envs.make(control_hz=hz, image_size=8)
    assert all(collect_episode(env, seed).success for seed in range(5))
    env.close()
