"""What a fresh process imports, and how it ends."""

import os
import subprocess
import sys

import pytest


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"} | environment
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, timeout=60
    )


def test_importing_envs_imports_neither_mujoco_nor_torch():
    done = _run(
        "import sys, gymnasium, vlasandbox.envs, vlasandbox.envs.control, vlasandbox.envs.language\n"
        "assert not {'mujoco', 'torch', 'transformers'} & set(sys.modules)\n"
        "assert 'vlasandbox/Pick-v0' in gymnasium.registry\n"
    )
    assert done.returncode == 0, done.stderr


def test_a_worker_runs_an_episode_without_torch_and_ends_without_a_word():
    done = _run(
        "import sys, vlasandbox.envs as envs\n"
        "from vlasandbox.envs.demonstrations import collect_episode\n"
        "env = envs.make(image_size=16)\n"
        "assert collect_episode(env, 0).success\n"
        "assert not {'torch', 'transformers', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "env.render_frame('front', 64, 64)\n"
        "env.close(); env.close()\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("forget", ["", "del env", "raise SystemExit"])
def test_a_forgotten_environment_leaves_no_opengl_error_at_exit(forget):
    done = _run(f"import vlasandbox.envs as e\nenv = e.make(image_size=8)\nenv.reset(seed=0)\n{forget}\n")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_environment_can_be_used_again_after_another_one_was_closed():
    done = _run(
        "import vlasandbox.envs as e\n"
        "a, b = e.make(image_size=8), e.make(image_size=8)\n"
        "a.reset(seed=0); b.reset(seed=0); a.close(); b.reset(seed=1)\n"
        "c = e.make(image_size=8); c.reset(seed=2); b.close(); c.close(); c.reset(seed=3); c.close()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_rendering_works_when_mujoco_was_imported_first():
    done = _run(
        "import mujoco, vlasandbox.envs as e\nenv = e.make(image_size=8)\nenv.reset(seed=0); env.close()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_users_choice_of_backend_is_respected():
    done = _run("import os, vlasandbox.envs.gl\nprint(os.environ['MUJOCO_GL'])\n", MUJOCO_GL="disabled")
    assert done.stdout.strip() == "disabled", done.stderr


def test_gymnasium_finds_the_id_by_module_name():
    done = _run(
        "import gymnasium\n"
        "name = 'vlasandbox.envs:vlasandbox/Pick-v0'\n"
        "env = gymnasium.make(name, image_size=8, action_space='ee_absolute')\n"
        "assert env.unwrapped.actions.name == 'ee_absolute'\n"
        "env.reset(seed=0); env.close()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
