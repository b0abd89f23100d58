"""What a fresh process imports, and how it ends."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


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


FORK = (
    "import os, sys, numpy as np, vlasandbox.envs as e\n"
    "env = e.make(image_size=32); seen = env.reset(seed=3)[0]['pixels']['front']\n"
    "def check(other): assert np.array_equal(other.reset(seed=3)[0]['pixels']['front'], seen)\n"
)


@pytest.mark.parametrize(
    "child",
    [
        "check(e.make(image_size=32))",
        "check(env)",
        "check(env); env.close(); check(env)",
        "again = os.fork()\n    if again: assert os.waitpid(again, 0)[1] == 0\n    else: check(env)",
    ],
)
def test_a_process_forked_after_rendering_renders_the_same_and_ends(child):
    done = _run(
        f"{FORK}pid = os.fork()\nif pid == 0:\n    {child}\n    sys.exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "check(env)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fork_while_another_thread_renders_waits_for_the_picture():
    done = _run(
        f"{FORK}import threading\n"
        "stop = threading.Event()\n"
        "def draw():\n"
        "    mine = e.make(image_size=32)\n"
        "    while not stop.is_set(): check(mine)\n"
        "thread = threading.Thread(target=draw); thread.start()\n"
        "for _ in range(5):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        check(e.make(image_size=32)); os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "stop.set(); thread.join()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("act", ["env.reset(seed=3)", "e.make(image_size=32).reset(seed=3)"])
@pytest.mark.parametrize("leave", ["env.close()", "pass"])
def test_where_the_driver_does_not_survive_a_fork_the_child_says_what_to_use(act, leave):
    # The software renderer with threads of its own stands for such a driver.
    done = _run(
        f"{FORK}pid = os.fork()\nif pid == 0:\n    {leave}\n    {act}\nprint(os.waitpid(pid, 0)[1] >> 8)\n",
        LP_NUM_THREADS="2",
    )
    assert done.stdout.strip() == "1", done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert "NoRenderingError: this process was forked" in sentence
    assert '"spawn" or "forkserver"' in sentence


def test_environments_in_threads_see_the_same_pictures():
    done = _run(
        "import numpy as np, vlasandbox.envs as e\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "first = e.make(image_size=32)\n"
        "def pictures(env): return [env.reset(seed=s)[0]['pixels']['front'] for s in range(6)]\n"
        "alone = pictures(first)\n"
        "def work(_):\n"
        "    env = e.make(image_size=32); out = pictures(env); env.close(); return out\n"
        "with ThreadPoolExecutor(3) as pool: together = list(pool.map(work, range(6)))\n"
        "assert all(np.array_equal(alone, other) for other in together)\n"
        # An environment may move to another thread, and be closed there.
        "with ThreadPoolExecutor(1) as pool:\n"
        "    assert np.array_equal(alone, pool.submit(pictures, first).result())\n"
        "    pool.submit(first.close).result()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_gymnasium_finds_the_id_by_module_name():
    done = _run(
        "import gymnasium\n"
        "name = 'vlasandbox.envs:vlasandbox/Pick-v0'\n"
        "env = gymnasium.make(name, image_size=8, action_space='ee_absolute')\n"
        "assert env.unwrapped.actions.name == 'ee_absolute'\n"
        "env.reset(seed=0); env.close()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
