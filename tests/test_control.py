"""Action spaces: exact conversion, equal limits, and replay of one demonstration in any of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vlasandbox import envs
from vlasandbox.envs import robots, rotations
from vlasandbox.envs.control import (
    ACTION_SPACES,
    GRIPPER,
    ROTATION,
    ActionSpace,
    ControlLimits,
    command_names,
    layout,
    stored_space,
)
from vlasandbox.envs.demonstrations import collect_episode

ARMS = tuple(arm.spec for arm in robots.load("franka"))
NUMBERS = st.floats(-2, 2, allow_subnormal=False)


def _space(name: str, control_hz: float = 10.0) -> ActionSpace:
    return ActionSpace(name, ARMS, control_hz)


def _command(position=(0.5, 0.0, 0.2), yaw=0.0, gripper=1.0, joints=(0.0,) * 7) -> np.ndarray:
    return np.array([*position, *rotations.from_yaw(yaw), gripper, *joints])


@st.composite
def commands(draw, kind: str):
    """Rows of commands; where only a yaw is said, the gripper points straight down."""
    rows = draw(hnp.arrays(np.float64, (4, 17), elements=NUMBERS))
    rows[:, GRIPPER] = np.where(rows[:, GRIPPER] > 0, 1.0, -1.0)
    generator = np.random.default_rng(draw(st.integers(0, 100)))
    rows[:, ROTATION] = (
        [rotations.from_yaw(yaw) for yaw in rows[:, 3]]
        if kind == "ee"
        else rotations.from_matrix(rotations.to_matrix(generator.normal(size=(4, 6))))
    )
    return rows


@pytest.mark.parametrize("name", ACTION_SPACES)
@given(data=st.data())
def test_decoding_an_encoded_command_gives_what_was_asked_for(name, data):
    space = _space(name)
    command, reference = data.draw(commands(space.kind)), data.draw(commands(space.kind))
    actions = space.encode(command, reference)
    decoded = np.array([space.decode(*pair) for pair in zip(actions, reference, strict=True)])
    asked = slice(10, None) if space.kind == "joint" else slice(0, 9)
    assert np.allclose(decoded[:, asked], command[:, asked], atol=1e-9)
    assert np.array_equal(decoded[:, GRIPPER], command[:, GRIPPER])
    rest = slice(0, 9) if space.kind == "joint" else slice(10, None)
    assert np.array_equal(decoded[:, rest], reference[:, rest])


def test_the_worked_example_of_the_docstring():
    reference = _command()
    delta = np.array([0.01, 0.00, -0.05, 0.1, -1.0])
    asked = _space("ee_delta").decode(delta, reference)
    assert np.allclose(_space("ee_absolute").encode(asked, reference), [0.51, 0.00, 0.15, 0.1, -1.0])


def test_a_turn_is_counted_the_short_way_round():
    action = _space("ee_delta").encode(_command(yaw=-3.1), _command(yaw=3.1))
    assert action[3] == pytest.approx(2 * np.pi - 6.2)


@given(turn=st.floats(-1, 1), tilt=st.floats(-0.5, 0.5), about=st.floats(0, 6))
def test_a_6d_rotation_survives_the_way_through_yaw_and_tilt(turn, tilt, about):
    rotation = rotations._compose(turn, tilt * np.array([np.cos(about), np.sin(about)]))
    matrix = rotations.to_matrix(rotation)
    assert np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-12)
    assert -matrix[2, 2] == pytest.approx(np.cos(tilt))
    reached = rotations.towards(rotation, rotation, 0.1, (-2.0, 2.0), 1.0)
    assert np.allclose(reached, rotation, atol=1e-9)


@given(wanted=hnp.arrays(np.float64, (7, 9), elements=NUMBERS), hz=st.sampled_from([5.0, 10.0, 20.0]))
def test_a_commanded_pose_is_within_reach_and_inside_the_workspace(wanted, hz):
    limits = ControlLimits()
    pose = _command()[:9]
    for row in wanted:
        row[3:] += [3, 0, 0, 0, -3, 0]  # so that the columns span a plane
        following = limits.next_pose(pose, row, hz)
        assert np.linalg.norm(following[:3] - pose[:3]) <= limits.speed / hz + 1e-9
        turn = rotations.to_yaw(following[ROTATION]) - rotations.to_yaw(pose[ROTATION])
        assert abs(turn) <= limits.turn_rate / hz + 1e-9
        assert limits.yaw[0] - 1e-9 <= rotations.to_yaw(following[ROTATION]) <= limits.yaw[1] + 1e-9
        tilt = np.arccos(np.clip(-rotations.to_matrix(following[ROTATION])[2, 2], -1, 1))
        assert tilt <= limits.max_tilt + 1e-6
        assert (following[:3] >= limits.low).all()
        assert (following[:3] <= limits.high).all()
        pose = following


@pytest.mark.parametrize("recorded_in", ["ee_delta", "joint_absolute"])
@pytest.mark.parametrize("replayed_in", ACTION_SPACES)
def test_replaying_a_demonstration_in_any_space_succeeds(recorded_in, replayed_in):
    recorder = envs.make(action_space=recorded_in, image_size=8)
    player = envs.make(action_space=replayed_in, image_size=8)
    for seed in range(4):
        episode = collect_episode(recorder, seed)
        assert episode.success
        start = episode.reference[:1] if player.actions.mode == "relative" else episode.reference
        player.reset(seed=seed)
        *_, terminated, _, info = player.step_block(player.actions.encode(episode.command, start))
        assert terminated
        assert info["is_success"]
        assert np.allclose(player.data.qpos, recorder.data.qpos, atol=1e-3)
    recorder.close()
    player.close()


@pytest.mark.parametrize("pair", [("ee_delta", "ee_absolute"), ("ee6d_delta", "ee6d_absolute")])
def test_actions_beyond_the_limits_are_clipped_alike_in_both_spaces(pair):
    rng = np.random.default_rng(3)
    delta, absolute = (envs.make(action_space=name, image_size=8) for name in pair)
    delta.reset(seed=0)
    absolute.reset(seed=0)
    for _ in range(12):
        action = rng.normal(scale=0.3, size=len(delta.actions.dims))
        reference = delta._controller.reference
        delta.step(action)
        absolute.step(absolute.actions.encode(delta.actions.decode(action, reference), reference))
        assert np.allclose(delta.reference(), absolute.reference(), atol=1e-6)
    delta.close()
    absolute.close()


def test_a_tilted_gripper_is_where_it_was_commanded_to_be():
    env = envs.make(action_space="ee6d_absolute", image_size=8)
    env.reset(seed=0)
    matrix = rotations.to_matrix(rotations._compose(0.4, np.array([0.3, -0.2])))
    action = [0.5, 0.05, 0.2, *rotations.from_matrix(matrix), 1.0]
    observation, *_ = env.step_block(np.tile(action, (8, 1)))
    assert np.allclose(observation["agent_pos"][7:10], [0.5, 0.05, 0.2], atol=0.004)
    reached = rotations.to_matrix(observation["agent_pos"][10:16])
    assert np.arccos(np.clip((np.trace(reached.T @ matrix) - 1) / 2, -1, 1)) < 0.02
    env.close()


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
        stay = env.actions.encode(env.reference(), env.reference())[:-1]
        observation, *_ = env.step_block(np.tile([*stay, command], (6, 1)))
        opening = observation["agent_pos"][-1]  # [m]
        assert (opening > 0.06) == is_open
        assert (opening < 0.01) != is_open
        assert env.reference()[GRIPPER] == command
    env.close()


@pytest.mark.parametrize("name", ACTION_SPACES)
def test_relative_actions_count_from_the_start_of_the_block_and_others_do_not(name):
    env = envs.make(action_space=name, image_size=8)
    env.reset(seed=0)
    goal = env.goals() + np.array([0.02, 0.01, -0.02, 0.1, 0.0])
    action = env.actions.encode(env.command_towards(goal), env.reference())
    planned = env.plan(np.tile(action, (3, 1)))
    env.step_block(np.tile(action, (3, 1)))
    assert np.allclose(env.reference(), planned[-1], atol=1e-6)
    env.reset(seed=0)
    for number in range(3):
        env.step_block(action[None], continues=number > 0)
    assert np.allclose(env.reference(), planned[-1], atol=1e-6)
    moved = np.linalg.norm(planned[-1][:3] - planned[0][:3])
    assert (moved > 0.03) == name.endswith("_delta")
    env.close()


def test_the_action_space_scales_with_the_control_rate():
    slow, fast = _space("ee_delta", 10.0), _space("ee_delta", 20.0)
    assert slow.bounds()[1][0] == pytest.approx(2 * fast.bounds()[1][0])


@pytest.mark.parametrize("name", ACTION_SPACES)
def test_what_is_stored_with_data_is_enough_to_convert(name):
    env = envs.make(action_space=name, image_size=8)
    stored = env.spec_dict()
    space = stored_space(stored)
    assert space.dims == env.actions.dims
    assert len(space.dims) == len(space.units) == len(stored["action_space"]["low"])
    env.reset(seed=0)
    command = env.command_towards(env.goals() + 0.01)
    assert np.array_equal(
        space.encode(command, env.reference()), env.actions.encode(command, env.reference())
    )
    env.close()


@pytest.mark.parametrize("space", ["ee6d_delta", "ee6d_absolute"])
@pytest.mark.parametrize("columns", [[0.0] * 6, [1.0, 0.0, 0.0, 2.0, 0.0, 0.0]])
def test_six_numbers_that_are_no_rotation_are_refused(space, columns):
    env = envs.make("reach", image_size=8, action_space=space)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="rotation columns"):
        env.step(np.array([0.0, 0.0, 0.0, *columns, 1.0]))
    env.close()


def test_a_restored_state_holds_on_to_what_the_gripper_holds():
    env = envs.make("pick", image_size=8)
    expert = env.definition.expert()
    env.reset(seed=0)
    done, info = False, {}
    while not done:
        *_, terminated, truncated, info = env.step(expert.act(env))
        done = terminated or truncated
    assert info["is_success"]
    env.set_physics_state(env.physics_state())
    assert env.goals()[0, -1] == -1.0
    env.close()


def test_names_that_are_not_of_commands_are_refused():
    assert [arm.joints for arm in layout(command_names(ARMS))] == [7]
    with pytest.raises(ValueError, match="not the names of an arm's commands: x, y"):
        layout(["x", "y"])
