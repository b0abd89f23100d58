"""Images come out upright, once, and labels fall on the pixels that they speak of."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs import rendering, tasks
from vlasandbox.envs.sensors import refresh
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


def test_a_larger_image_than_before_does_not_change_the_next_one(env):
    env.reset(seed=4)
    before = env.render_frame("front", 96, 96, "fast")
    assert env.render_frame("front", 200, 300, "fast").shape == (300, 200, 3)
    assert np.array_equal(env.render_frame("front", 96, 96, "fast"), before)


@pytest.mark.parametrize("task", tasks.names())
@pytest.mark.parametrize("perturb", ["", "camera=5"])
def test_what_is_left_out_of_a_picture_is_not_in_it(task, perturb, monkeypatch):
    env = envs.make(task, image_size=96, perturb=perturb)
    expert = env.definition.expert()
    pictures, left_out = [], 0
    for step in range(12):
        if step % 4 == 0:
            env.reset(seed=step)
        env.step(expert.act(env))
        for camera in (*env.cameras, "overview"):
            left_out += rendering.unseen(env.model, env.data, env._sensors._id(camera), 1.5).sum()
            picture = env.render_frame(camera, 96, 64, "fast")
            with monkeypatch.context() as patch:
                patch.setattr(rendering, "unseen", lambda *_: np.zeros(env.model.ngeom, bool))
                pictures.append((picture, env.render_frame(camera, 96, 64, "fast")))
    env.close()
    assert left_out > 10 * 12
    assert all(np.array_equal(*pair) for pair in pictures)


def test_a_geom_that_was_made_larger_without_its_bound_is_not_left_out(env):
    env.reset(seed=4)
    front = env._sensors._id("front")
    geom = rendering.unseen(env.model, env.data, front, 1.0).argmax()
    size = env.model.geom_size[geom].copy()
    env.model.geom_size[geom] = 2.0
    larger = rendering.unseen(env.model, env.data, front, 1.0)
    env.model.geom_size[geom] = size
    assert rendering.unseen(env.model, env.data, front, 1.0)[geom]
    assert not larger[geom]
