"""The arm's kinematics against numbers that can be added up by hand, and its inverse against itself."""

import numpy as np
import pytest

from vlasandbox.envs import rotations
from vlasandbox.envs.kinematics import Kinematics
from vlasandbox.envs.robots.franka import Franka


@pytest.fixture(scope="module")
def kinematics():
    return Kinematics(Franka())


def test_the_stretched_arm_has_the_published_dimensions(kinematics):
    pose = kinematics.forward(np.zeros(7))
    assert pose[:3] == pytest.approx([0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107 - 0.1034], abs=1e-9)


def test_the_first_joint_turns_the_gripper_about_the_base(kinematics):
    home = np.array(Franka.home)
    turned = home.copy()
    turned[0] += 0.3
    before, after = kinematics.forward(home), kinematics.forward(turned)
    cos, sin = np.cos(0.3), np.sin(0.3)
    assert after[:2] == pytest.approx(np.array([[cos, -sin], [sin, cos]]) @ before[:2])
    assert after[2] == pytest.approx(before[2])
    assert rotations.to_yaw(after[3:]) - rotations.to_yaw(before[3:]) == pytest.approx(0.3, abs=1e-9)


def test_inverse_kinematics_reaches_poses_all_over_the_workspace(kinematics):
    rng = np.random.default_rng(0)
    home = np.array(Franka.home)
    for _ in range(100):
        x, y, z, yaw = rng.uniform([0.34, -0.24, 0.012, -1.35], [0.68, 0.24, 0.32, 1.35])
        pose = np.array([x, y, z, *rotations.from_yaw(yaw)])
        joints = kinematics.solve(home, pose, passes=50)
        assert np.abs(kinematics.forward(joints) - pose).max() < 2e-4


def test_a_step_of_the_largest_size_needs_no_more_than_the_usual_passes(kinematics):
    rng = np.random.default_rng(1)
    goal = np.array([0.5, 0.0, 0.2, 0.0])
    joints = kinematics.solve(
        np.array(Franka.home), np.array([*goal[:3], *rotations.from_yaw(0.0)]), passes=50
    )
    for _ in range(100):
        step = rng.normal(size=4)
        step[:3] *= 0.05 / np.linalg.norm(step[:3])
        step[3] = np.clip(step[3], -0.3, 0.3)
        goal = np.clip(goal + step, [0.34, -0.24, 0.012, -1.35], [0.68, 0.24, 0.32, 1.35])
        pose = np.array([*goal[:3], *rotations.from_yaw(goal[3])])
        joints = kinematics.solve(joints, pose)
        assert np.abs(kinematics.forward(joints) - pose).max() < 1e-3
