"""A user's mistake gives a ValueError that names the bad value and the valid ones."""

import numpy as np
import pytest

from vlasandbox import envs
from vlasandbox.envs.gl import NoRenderingError, choose_backend


@pytest.fixture(scope="module")
def env():
    environment = envs.make(image_size=8)
    environment.reset(seed=0)
    yield environment
    environment.close()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"task": "pik"}, ["'pik'", "valid: ", "Did you mean 'pick'"]),
        ({"cameras": ("front", "wirst")}, ["'wirst'", "front, ", "Did you mean 'wrist'"]),
        ({"action_space": "joint"}, ["'joint'", "ee_absolute, ee_delta"]),
        ({"quality": "fastest"}, ["'fastest'", "fast, pretty"]),
        ({"task": "no.such"}, ["unknown task 'no.such': no such module; valid: detour, "]),
        ({"robot": "no.such"}, ["unknown robot 'no.such': no such module; valid: franka, "]),
        ({"robot": "os.path"}, ["robot 'os.path': the module has no arms"]),
        ({"perturb": "no.such=3"}, ["unknown perturbation 'no.such': no such module; valid: action_delay, "]),
        ({"perturb": "os.path=3"}, ["perturbation 'os.path': the module has no Path"]),
        ({"control_hz": 30.0}, ["30.0", "10, 20"]),
        ({"control_hz": 0.0}, ["0.0"]),
        ({"image_size": 4096}, ["4096", "512"]),
        ({"render_mode": "rgb"}, ["'rgb'", "human, rgb_array"]),
    ],
)
def test_an_impossible_setting_is_named_with_the_valid_ones(settings, named):
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the texts are checked below)
        envs.make(**settings)
    for text in named:
        assert text in str(error.value)


@pytest.mark.parametrize("action", [np.zeros(7), np.zeros(()), np.zeros((2, 5))])
def test_an_action_of_the_wrong_shape_is_refused(env, action):
    with pytest.raises(ValueError, match=r"dx, dy, dz, dyaw, gripper"):
        env.step(action)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_refused(env, bad):
    before = env.physics_state()
    with pytest.raises(ValueError, match=r"(nan|inf).* is not finite"):
        env.step_block(np.array([[0, 0, 0, 0, 1.0], [0, bad, 0, 0, 1.0]]))
    assert np.array_equal(env.physics_state(), before)


def test_other_mistakes_are_named_too(env):
    with pytest.raises(ValueError, match="unknown camera 'top'; valid: front, overview, wrist"):
        env.render_frame("top", 8, 8)
    with pytest.raises(ValueError, match="unknown quality"):
        env.render_frame("front", 8, 8, quality="ugly")
    with pytest.raises(ValueError, match=r"5000x8 does not fit"):
        env.render_frame("front", 5000, 8)
    with pytest.raises(ValueError, match="unknown instruction 'blank'; valid: original, swapped"):
        env.reset(seed=0, options={"instruction": "blank"})
    with pytest.raises(ValueError, match="physics state"):
        env.set_physics_state(np.zeros(3))


def test_a_machine_without_opengl_is_told_what_to_install():
    assert choose_backend(lambda library: True) == "egl"
    assert choose_backend(lambda library: "OSMesa" in library) == "osmesa"
    # libEGL alone does not do: PyOpenGL needs libGL.
    with pytest.raises(NoRenderingError, match="apt-get install --no-install-recommends libegl1 libgl1"):
        choose_backend(lambda library: "EGL" in library)
