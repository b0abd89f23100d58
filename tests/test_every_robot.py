"""What every robot must satisfy; a new file in envs/robots is tested by being there."""

import itertools

import fake_menagerie
import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs import robots, rotations
from vlasandbox.envs.control import GRIPPER, JOINTS, ROTATION
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.kinematics import Kinematics
from vlasandbox.envs.placement import WORKSPACE
from vlasandbox.envs.props.tabletop import tabletop
from vlasandbox.envs.robot import RobotIndex

pytestmark = pytest.mark.slow

TASKS = {1: "pick", 2: "handover"}
"""A task for each number of arms."""


@pytest.fixture(scope="module", autouse=True)
def _menagerie(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MENAGERIE_ROOT", str(fake_menagerie.write(tmp_path_factory.mktemp("menagerie"))))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", params=robots.names())
def robot(request):
    return request.param


@pytest.fixture(scope="module")
def arms(robot):
    return robots.load(robot)


@pytest.fixture(scope="module")
def env(robot, arms):
    environment = envs.make(TASKS[len(arms)], robot=robot, image_size=8, cameras=("front",))
    yield environment
    environment.close()


def _pose(x: float, y: float, z: float, yaw: float) -> np.ndarray:
    return np.array([x, y, z, *rotations.from_yaw(yaw)])


def _slots(arms):
    """Each arm's part of a command."""
    ends = np.cumsum([JOINTS + len(arm.joint_names) for arm in arms]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def test_every_part_that_others_look_up_is_in_the_model(arms):
    model = tabletop(arms).compile()
    for arm in arms:
        index = RobotIndex.of(arm, model)
        assert len(index.ctrl) == len(index.arm) + 2
        for kind, part in (("BODY", "base"), ("BODY", "hand"), ("CAMERA", "wrist"), ("SITE", "ee")):
            assert mujoco.mj_name2id(model, getattr(mujoco.mjtObj, f"mjOBJ_{kind}"), arm.name(part)) >= 0
        lengths = {len(arm.joint_names), len(arm.home), len(arm.joint_low), len(arm.joint_high)}
        assert len(lengths) == 1
        assert (np.array(arm.joint_low) < arm.home).all()
        assert (np.array(arm.home) < arm.joint_high).all()
    assert model.nu == sum(len(arm.joint_names) + 2 for arm in arms)
    assert len({arm.prefix for arm in arms}) == len(arms)


def test_fingers_close_along_the_grippers_y_axis_around_its_site(arms):
    model = tabletop(arms).compile()
    data = mujoco.MjData(model)
    for arm in arms:
        index = RobotIndex.of(arm, model)
        data.qpos[index.fingers] = arm.finger_travel
        mujoco.mj_kinematics(model, data)
        left, right = (data.geom_xpos[pad] - data.site_xpos[index.site] for pad in index.pads)
        axes = data.site_xmat[index.site].reshape(3, 3)
        between = (left - right) @ axes
        assert between[1] == pytest.approx(2 * arm.finger_travel, abs=0.02)
        assert np.abs(between[[0, 2]]).max() < 1e-6
        assert abs(float((left + right) @ axes[:, 0])) < 1e-6
        reach = [
            abs(offset @ axes[:, 1]) + model.geom_size[pad, 1]
            for pad, offset in zip(index.pads, (left, right), strict=True)
        ]
        assert max(reach) == pytest.approx(arm.pads_outer, abs=1e-4)


def test_inverse_kinematics_reaches_all_that_may_be_commanded(arms):
    for arm in arms:
        kinematics, limits = Kinematics(arm), arm.limits
        rng = np.random.default_rng(0)
        corners = itertools.product(*zip(limits.low, limits.high, strict=True), limits.yaw)
        inside = rng.uniform([*limits.low, limits.yaw[0]], [*limits.high, limits.yaw[1]], size=(60, 4))
        for goal in (*corners, *inside.tolist()):
            pose = _pose(*goal)
            reached = kinematics.forward(kinematics.solve(np.array(arm.home), pose, passes=50))
            assert np.abs(reached[:3] - pose[:3]).max() < 1e-3, goal
            assert np.abs(reached[ROTATION] - pose[ROTATION]).max() < 0.01, goal


def test_a_step_of_the_largest_size_needs_no_more_than_the_usual_passes(arms):
    for arm in arms:
        kinematics, limits = Kinematics(arm), arm.limits
        rng = np.random.default_rng(1)
        low, high = np.array([*limits.low, limits.yaw[0]]), np.array([*limits.high, limits.yaw[1]])
        middle = (low + high) / 2
        joints = kinematics.solve(np.array(arm.home), _pose(*middle), passes=50)
        goal = middle
        for _ in range(150):
            step = rng.normal(size=4)
            step[:3] *= 0.05 / np.linalg.norm(step[:3])
            # Not to the very ends, where joints may be at their limits.
            goal = np.clip(
                goal + np.clip(step, -0.3, 0.3), low + 0.1 * (high - low), high - 0.1 * (high - low)
            )
            joints = kinematics.solve(joints, _pose(*goal))
            assert np.abs(kinematics.forward(joints) - _pose(*goal)).max() < 2e-3


def test_a_single_arm_reaches_the_whole_workspace(arms):
    if len(arms) == 1:
        limits = arms[0].limits
        assert (np.array(limits.low) <= [*WORKSPACE[0], 0.012]).all()
        assert (np.array(limits.high) >= [*WORKSPACE[1], 0.25]).all()


def test_no_yaw_wraps_within_an_arms_range(arms):
    for arm in arms:
        assert -np.pi < arm.limits.yaw[0] < arm.limits.yaw[1] < np.pi


def test_state_names_match_the_state(env, arms):
    observation, _ = env.reset(seed=0)
    assert observation["agent_pos"].shape == (len(env.state_names),)
    assert len(set(env.state_names)) == len(env.state_names)
    start = 0
    for arm, goal in zip(arms, env.goals(), strict=True):
        end = start + len(arm.state_names)
        named = dict(zip(arm.state_names, observation["agent_pos"][start:end].tolist(), strict=True))
        position = [named[arm.name(f"ee_{axis}")] for axis in "xyz"]
        assert position == pytest.approx(goal[:3].tolist(), abs=1e-3)
        assert named[arm.name("gripper_opening")] == pytest.approx(2 * arm.finger_travel, abs=2e-3)
        start = end


def test_it_holds_a_pose(env):
    env.reset(seed=0)
    asked = env.goals()
    hold = env.actions.encode(env.reference(), env.reference())
    env.step_block(np.tile(hold, (20, 1)))
    reached = [env.data.site_xpos[index.site] for index in env.world.robots]
    assert np.abs(np.array(reached) - asked[:, :3]).max() < 1e-3


def test_it_is_where_it_was_commanded_to_be_when_a_step_ends(env):
    env.reset(seed=0)
    centre = [np.add(arm.limits.low, arm.limits.high) / 2 for arm in env.definition.robots]
    for _ in range(6):
        goals = env.goals()
        goals[:, :3] += np.clip(centre - goals[:, :3], -0.025, 0.025)
        goals[:, 3] += 0.05
        env.step(env.actions.encode(env.command_towards(goals), env.reference()))
        reached = np.array([env.data.site_xpos[index.site] for index in env.world.robots])
        assert np.abs(reached - env.goals()[:, :3]).max() < 0.005


def test_plus_one_opens_each_gripper_and_minus_one_closes_it(env, arms):
    env.reset(seed=0)
    for number, arm in enumerate(arms):
        for gripper, opening in ((-1.0, 0.0), (1.0, 2 * arm.finger_travel)):
            goals = env.goals()
            goals[number, 4] = gripper
            for _ in range(6):
                env.step(env.actions.encode(env.command_towards(goals), env.reference()))
            assert env.world.robots[number].opening(env.data) == pytest.approx(opening, abs=2e-3)


def test_whatever_is_asked_for_the_command_stays_within_the_limits(env, arms):
    rng = np.random.default_rng(2)
    env.reset(seed=0)
    start = rng.normal(size=(1, env.action_space.shape[0]))
    for command in env.plan(np.tile(start, (30, 1)) + 0.3 * rng.normal(size=(30, start.size))):
        for arm, slot in zip(arms, _slots(arms), strict=True):
            limits, part = arm.limits, command[slot]
            assert (part[:3] >= np.array(limits.low) - 1e-9).all()
            assert (part[:3] <= np.array(limits.high) + 1e-9).all()
            assert limits.yaw[0] - 1e-9 <= rotations.to_yaw(part[ROTATION]) <= limits.yaw[1] + 1e-9
            assert part[GRIPPER] in (-1.0, 1.0)
            assert (part[JOINTS:] >= arm.joint_low).all()
            assert (part[JOINTS:] <= arm.joint_high).all()


def test_the_expert_succeeds(env):
    assert all(collect_episode(env, seed).success for seed in range(1_000_000, 1_000_005))
