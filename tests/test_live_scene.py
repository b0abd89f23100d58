"""A scene of the live page: forces of the pointer, objects that are dropped, and what stays as it is."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from vlasandbox.envs.config import EnvConfig
from vlasandbox.envs.rendering import project
from vlasandbox.eval.live.messages import Drive, Frame, Paths, SceneError
from vlasandbox.eval.live.scene import Scene

CONFIG = EnvConfig("pick")
SEED = 1_000_000


@pytest.fixture(scope="module")
def frames() -> list[Frame | Paths]:
    return []


@pytest.fixture(scope="module")
def shared(frames) -> Iterator[Scene]:
    scene = Scene(frames.append, lambda seconds: None)
    yield scene
    scene.close()


@pytest.fixture
def scene(shared: Scene) -> Scene:
    shared.open(CONFIG, 1, SEED, None)
    return shared


def place(scene: Scene, name: str) -> np.ndarray:
    return scene.env.data.body(name).xpos.copy()


def pixel(scene: Scene, point: np.ndarray) -> tuple[float, float]:
    env = scene.env
    number = env.model.camera(env.definition.cameras[-1]).id
    ((x, y),) = project(env.model, env.data, number, point[None], 1, 1).tolist()
    return x, y


def hold(scene: Scene, steps: int) -> None:
    for _ in range(steps):
        scene.step(Drive("hold"))


def test_an_object_follows_the_pointer_through_the_air_and_falls_when_it_is_let_go(scene):
    before = place(scene, "object_0")
    scene.pull(*pixel(scene, before))
    scene.move(*pixel(scene, before + np.array([0.0, 0.05, 0.12])))
    hold(scene, 15)
    lifted = place(scene, "object_0")
    assert lifted[2] - before[2] > 0.05
    scene.release()
    hold(scene, 15)
    assert place(scene, "object_0")[2] < lifted[2] - 0.02
    assert not scene.env.data.xfrc_applied.any()


def test_the_arm_gives_way_and_comes_back(scene):
    arm = scene.env.data.site_xpos[scene.env.world.robot.site].copy()
    hand = place(scene, "hand")
    scene.pull(*pixel(scene, hand))
    scene.move(*pixel(scene, hand + np.array([0.0, 0.3, 0.0])))
    hold(scene, 8)
    pushed = scene.env.data.site_xpos[scene.env.world.robot.site].copy()
    assert np.linalg.norm(pushed - arm) > 0.01
    scene.release()
    hold(scene, 12)
    np.testing.assert_allclose(scene.env.data.site_xpos[scene.env.world.robot.site], arm, atol=0.01)


def test_what_cannot_be_moved_is_not_taken_hold_of(scene):
    scene.pull(0.02, 0.98)  # the table
    hold(scene, 2)
    assert not scene.env.data.xfrc_applied.any()
    scene.release()


@pytest.mark.parametrize(("direction", "axis", "sign"), [("left", 1, 1), ("right", 1, -1), ("away", 0, 1)])
def test_a_kick_by_name_goes_where_it_says(scene, direction, axis, sign):
    before = place(scene, "object_0")
    scene.kick_body("object_0", direction)
    hold(scene, 3)
    assert sign * (place(scene, "object_0") - before)[axis] > 0.01


def test_dropped_things_fall_on_the_table_and_are_gone_after_a_reset(scene):
    before = place(scene, "object_0")
    assert all(scene.drop(0.5, 0.8) for _ in range(4))
    assert not scene.drop(0.5, 0.8)
    np.testing.assert_allclose(place(scene, "object_0"), before, atol=1e-6)
    hold(scene, 20)
    assert 0.0 < place(scene, "dropped_0")[2] < 0.15
    scene.open(CONFIG, 1, SEED, None)
    with pytest.raises(KeyError):
        place(scene, "dropped_0")


def test_pictures_between_the_steps_change_nothing(scene, frames):
    def path() -> np.ndarray:
        scene.open(CONFIG, 1, SEED, None)
        return np.array([scene.step(Drive("expert", seconds=s)).grippers for s in (0.1, 0.1, 0.1)])

    frames.clear()
    drawn = path()
    assert sum(isinstance(frame, Frame) for frame in frames) >= 3
    scene.env.on_physics = None
    np.testing.assert_array_equal(path(), drawn)
    scene.env.on_physics = scene._between


def test_paths_begin_at_the_gripper(scene, frames):
    frames.clear()
    scene.paths(np.zeros((2, 8, 5), np.float32))
    (paths,) = [x for x in frames if isinstance(x, Paths)]
    assert [len(line) for line in paths.lines] == [9, 9]
    np.testing.assert_allclose(paths.lines[0], [paths.lines[0][0]] * 9, atol=1e-3)


def test_a_policy_with_other_cameras_and_actions_goes_on_where_the_last_one_was(scene):
    for _ in range(4):
        scene.step(Drive("expert"))
    before, seconds = scene._view().grippers, scene._view().seconds
    other = replace(CONFIG, action_space="joint_absolute", cameras=("wrist",), image_size=64)
    opened = scene.change(other, 2)
    assert opened.view.observation.images.shape == (2, 64, 64, 3)
    np.testing.assert_allclose(opened.view.grippers, before, atol=1e-6)
    assert opened.view.seconds == seconds
    ends = (scene.step(Drive("expert")).ended for _ in range(40))
    assert next(filter(None, ends)) == "success"


def test_a_scene_that_was_never_opened_says_so():
    with pytest.raises(SceneError, match="not been opened"):
        Scene(lambda frame: None, lambda seconds: None).still()
