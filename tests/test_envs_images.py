"""Images come out upright, once, and labels fall on the pixels that they speak of."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.sensing import refresh
from vlasandbox.envs.tasks.pick import RGBA

CHANNELS = {"red": np.array([1, 0, 0]), "green": np.array([0, 1, 0]), "blue": np.array([0, 0, 1])}


@pytest.fixture(scope="module")
def env():
    environment = envs.make("pick", image_size=96)
    yield environment
    environment.close()


def _move(env, body: int, shift: tuple[float, float, float]) -> None:
    address = env.model.jnt_qposadr[env.model.body_jntadr[body]]
    env.data.qpos[address : address + 3] += shift
    refresh(env.model, env.data)


def _centroid(env, colour: str, before: np.ndarray) -> np.ndarray:
    """Mean (x, y) of the pixels of a colour, (0, 0) top left."""
    image = before.astype(float)
    direction = np.array(RGBA[colour][:3]) - np.mean(RGBA[colour][:3])
    mask = (image - image.mean(axis=-1, keepdims=True)) @ direction > 35 * np.linalg.norm(direction)
    return np.argwhere(mask).mean(axis=0)[::-1]


def _only_target(env, seed: int) -> str:
    """Resets and hides the distractors; the target's colour."""
    env.reset(seed=seed)
    for body in env.scenario.others:
        _move(env, body, (0.0, 5.0, 0.0))
    return env.task_description.split()[3]


@pytest.mark.parametrize("seed", range(6))
def test_lifting_an_object_moves_it_up_in_the_front_image(env, seed):
    colour = _only_target(env, seed)
    below = _centroid(env, colour, env.render_frame("front", 96, 96, "fast"))
    _move(env, env.scenario.target, (0.0, 0.0, 0.05))
    above = _centroid(env, colour, env.render_frame("front", 96, 96, "fast"))
    assert above[1] < below[1] - 3
    assert abs(above[0] - below[0]) < 3


@pytest.mark.parametrize("seed", range(6))
def test_moving_an_object_to_positive_y_moves_it_right_in_the_front_image(env, seed):
    colour = _only_target(env, seed)
    before = _centroid(env, colour, env.render_frame("front", 96, 96, "fast"))
    _move(env, env.scenario.target, (0.0, 0.03, 0.0))
    after = _centroid(env, colour, env.render_frame("front", 96, 96, "fast"))
    assert after[0] > before[0] + 3


@pytest.mark.parametrize("seed", range(12))
def test_grounding_falls_on_pixels_of_the_target(env, seed):
    colour = _only_target(env, seed)
    uv, xyz = env.grounding()
    assert np.allclose(xyz, env.data.xpos[env.scenario.target], atol=1e-6)
    image = env.render_frame("front", 96, 96, "fast")
    centroid = _centroid(env, colour, image)
    assert np.abs(uv[0] * 96 - centroid).max() < 4
    x, y = (uv[0] * 96).astype(int)
    pixel = image[y, x].astype(float)
    assert np.argmax(pixel) == np.argmax(RGBA[colour][:3])
    assert pixel.max() - pixel.min() > 60


def test_grounding_also_holds_in_the_wrist_image(env):
    expert = env.definition.expert()
    colour = _only_target(env, 3)
    for _ in range(4):
        env.step(expert.act(env))
    uv, _ = env.grounding()
    centroid = _centroid(env, colour, env.render_frame("wrist", 96, 96, "fast"))
    assert ((uv[1] > 0) & (uv[1] < 1)).all()
    assert np.abs(uv[1] * 96 - centroid).max() < 10


def test_objects_are_wide_enough_to_be_told_apart_at_64_pixels(env):
    env.reset(seed=0)
    for x in (0.42, 0.62):
        corners = np.array([[x, -0.025, 0.05], [x, 0.025, 0.05]])
        assert np.ptp(env.project(corners, "front", 64, 64)[:, 0]) >= 7


def test_the_whole_workspace_and_the_gripper_are_in_the_front_image(env):
    env.reset(seed=0)
    corners = np.array([[x, y, z] for x in (0.41, 0.62) for y in (-0.16, 0.16) for z in (0.0, 0.15)])
    pixels = env.project(corners, "front", 64, 64)
    assert (pixels > 0).all()
    assert (pixels < 64).all()
    gripper = env.project(env.data.site_xpos[env.world.robot.site][None], "front", 64, 64)
    assert ((gripper > 0) & (gripper < 64)).all()


def test_an_observation_is_what_render_frame_shows(env):
    observation, _ = env.reset(seed=4)
    for camera in env.cameras:
        assert np.array_equal(observation["pixels"][camera], env.render_frame(camera, 96, 96, "fast"))


def test_pretty_frames_differ_and_may_be_wide(env):
    env.reset(seed=4)
    frame = env.render_frame("front", 320, 240)
    assert frame.shape == (240, 320, 3)
    assert frame.dtype == np.uint8
    plain = env.render_frame("front", 320, 240, "fast")
    assert np.abs(frame.astype(int) - plain).mean() > 1


def test_showing_a_pretty_frame_changes_nothing_that_a_policy_sees(env):
    observation, _ = env.reset(seed=4)
    env.render_frame("front", 480, 480)
    again = env.render_frame("front", 96, 96, "fast")
    assert np.array_equal(observation["pixels"]["front"], again)
