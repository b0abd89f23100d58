"""The environments under gymnasium's own wrappers and vectors, and what else its citizens must do."""

import os
import shutil
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.vector import AutoresetMode

from vlasandbox import envs
from vlasandbox.envs.gl import NoRenderingError

ID = envs.env_id("pick")
SEEDS = [3, 4]
SETTINGS: dict[str, Any] = {"image_size": 32}


def _alone(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    env = envs.make("pick", **SETTINGS)
    seen = env.reset(seed=seed)
    env.close()
    return seen


VECTORS: list[tuple[str | None, dict[str, Any]]] = [
    (None, {}),
    ("sync", {"copy": False}),
    ("sync", {"autoreset_mode": AutoresetMode.SAME_STEP}),
    ("async", {}),
    ("async", {"copy": False}),
    ("async", {"context": "spawn"}),
    ("async", {"context": "forkserver"}),
    ("async", {"context": "fork"}),
    ("async", {"shared_memory": False}),
    ("async", {"autoreset_mode": AutoresetMode.SAME_STEP}),
    ("async", {"observation_mode": "different"}),
]


@pytest.mark.parametrize(("mode", "settings"), VECTORS)
def test_every_kind_of_vector_sees_what_each_environment_sees_alone(mode, settings):
    alone = [_alone(seed) for seed in SEEDS]  # and so this process has rendered before it forks
    vector: Any = gymnasium.make_vec(
        ID, num_envs=2, vectorization_mode=mode, vector_kwargs=settings, **SETTINGS
    )
    try:
        seen, info = vector.reset(seed=SEEDS, options={"some other program's": 1})
        for i, (expected, said) in enumerate(alone):
            assert np.array_equal(seen["pixels"]["front"][i], expected["pixels"]["front"])
            assert np.array_equal(seen["agent_pos"][i], expected["agent_pos"])
            assert seen["instruction"][i] == info["instruction"][i] == said["instruction"]
        if settings.get("copy", True):
            assert vector.observation_space.contains(seen)
        sentences = list(seen["instruction"])
        seen, *_ = vector.step(np.stack([np.zeros(5, np.float32)] * 2))
        assert list(seen["instruction"]) == sentences == list(vector.call("task_description"))
        vector.reset(seed=[9, 10])
        if settings.get("copy", True):
            assert list(seen["instruction"]) == sentences
    finally:
        vector.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("autoreset", list(AutoresetMode)[:2])
def test_a_vector_goes_on_with_the_instruction_of_the_next_episode(mode, autoreset):
    vector: Any = gymnasium.make_vec(
        ID, num_envs=2, vectorization_mode=mode, max_episode_steps=2, cameras=("front",), image_size=8,
        vector_kwargs={"autoreset_mode": autoreset},
    )  # fmt: skip
    try:
        seen, info = vector.reset(seed=7)
        still = np.zeros((2, 5), np.float32)
        sentences = [list(seen["instruction"])]
        for _ in range(12):
            seen, _, _, truncated, info = vector.step(still)
            assert list(seen["instruction"]) == list(vector.get_attr("task_description"))
            if autoreset is AutoresetMode.SAME_STEP and truncated.any():
                assert [o["instruction"] for o in info["final_obs"]] == sentences[-1]
            sentences.append(list(seen["instruction"]))
        assert len({tuple(s) for s in sentences}) > 2
    finally:
        vector.close()


def test_texts_in_shared_memory_may_have_any_letters_but_not_any_length():
    from gymnasium.vector.utils import create_shared_memory, read_from_shared_memory, write_to_shared_memory

    from vlasandbox.envs.instruction_space import InstructionSpace

    space = InstructionSpace()
    memory = create_shared_memory(space, n=2)
    seen: Any = read_from_shared_memory(space, memory, n=2)
    write_to_shared_memory(space, 1, "lege den Würfel 😀", memory)
    assert tuple(seen) == ("", "lege den Würfel 😀")
    assert (seen[-1], seen[0:1], len(seen)) == ("lege den Würfel 😀", ("",), 2)
    write_to_shared_memory(space, 1, "short", memory)
    assert seen[1] == "short"
    with pytest.raises(ValueError, match="longer than 200"):
        write_to_shared_memory(space, 0, "x" * 900, memory)
    with pytest.raises(IndexError):
        seen[2]


@pytest.mark.parametrize(("hz", "fps", "kind"), [(10.0, 10, int), (20.0, 20, int), (12.5, 12.5, float)])
def test_the_rate_of_videos_is_whole_where_it_is(hz, fps, kind):
    env = gymnasium.make(ID, control_hz=hz, cameras=("front",), image_size=8)
    assert env.metadata["render_fps"] == fps
    assert type(env.metadata["render_fps"]) is kind
    env.close()


@pytest.mark.parametrize(("hz", "steps"), [(10.0, 40), (20.0, 80)])
def test_the_time_limit_is_in_the_spec_at_every_control_rate(hz, steps):
    env = gymnasium.make(ID, control_hz=hz, cameras=("front",), image_size=8)
    assert env.spec is not None
    assert env.spec.max_episode_steps == steps
    again = gymnasium.make(env.spec)
    for made in (env, again):
        made.reset(seed=0)
        count, over, truncated = 0, False, False
        while not over:
            _, _, terminated, truncated, _ = made.step(np.zeros(5, np.float32))
            count, over = count + 1, terminated or truncated
        assert (count, truncated) == (steps, True)
        made.close()


def test_a_shorter_time_limit_can_be_asked_of_gymnasium():
    env = gymnasium.make(ID, max_episode_steps=3, cameras=("front",), image_size=8)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 3
    env.reset(seed=0)
    assert [env.step(np.zeros(5, np.float32))[3] for _ in range(3)] == [False, False, True]
    env.close()


def test_options_of_other_programs_change_nothing():
    env = envs.make("pick", **SETTINGS)
    plain, _ = env.reset(seed=1)
    other, _ = env.reset(seed=1, options={"lerobot_new_rollout": True, "seeed": 1})
    assert np.array_equal(plain["pixels"]["front"], other["pixels"]["front"])
    env.close()


def test_gymnasiums_wrappers_work(tmp_path):
    env: Any = gymnasium.make(ID, render_mode="rgb_array", max_episode_steps=4, **SETTINGS)
    env = wrappers.RecordEpisodeStatistics(wrappers.TransformReward(env, lambda reward: 10 * float(reward)))
    env = wrappers.FilterObservation(env, ["pixels", "agent_pos"])
    env = wrappers.FrameStackObservation(env, 2)
    env = wrappers.RescaleAction(env, np.float32(-0.5), np.float32(0.5))
    env = wrappers.ClipAction(env)
    seen, _ = env.reset(seed=3)
    assert seen["pixels"]["front"].shape == (2, 32, 32, 3)
    over, info = False, {}
    while not over:
        seen, _, _, over, info = env.step(env.action_space.sample())
    assert info["episode"]["l"] == 4
    assert env.observation_space.contains(seen)
    assert env.render().shape == (480, 480, 3)
    env.close()

    collecting: Any = gymnasium.make(ID, render_mode="rgb_array_list", **SETTINGS)
    collecting.reset(seed=0)
    collecting.step(np.zeros(5, np.float32))
    assert len(collecting.render()) == 2
    collecting.close()


def test_an_observation_can_be_flattened():
    env: Any = wrappers.FlattenObservation(gymnasium.make(ID, image_size=8, cameras=("front",)))
    seen, _ = env.reset(seed=0)
    assert env.observation_space.contains(seen)
    env.close()


WATCH = f"""
import gymnasium, numpy as np, time, vlasandbox.envs as envs
env = gymnasium.make("{ID}", render_mode="human", cameras=("front",), image_size=8)
env.reset(seed=0)
begin = time.monotonic()
for _ in range(4): env.step(env.action_space.sample() * 0)
assert time.monotonic() - begin > 0.25, "faster than the clock"
assert env.render() is None
shown, state = env.unwrapped._viewer._shown, env.unwrapped.physics_state()
assert np.array_equal(shown.qpos, env.unwrapped.data.qpos)
env.close(); env.close()
plain = envs.make("pick", cameras=("front",), image_size=8); plain.reset(seed=0)
for _ in range(4): plain.step(plain.action_space.sample() * 0)
assert np.array_equal(state, plain.physics_state()), "to be watched changed the episode"
print("watched")
"""


def test_a_person_can_watch_where_there_is_a_display(tmp_path):
    server = shutil.which("Xvfb")
    if sys.platform != "linux" or (server is None and not os.environ.get("DISPLAY")):
        pytest.skip("no display and no Xvfb (apt-get install xvfb) to make one")
    settings = dict(os.environ)
    process = None
    if server is not None:
        read, write = os.pipe()
        process = subprocess.Popen(
            [server, "-displayfd", str(write), "-screen", "0", "320x240x24", "-nolisten", "tcp"],
            pass_fds=[write], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as pipe:
            settings["DISPLAY"] = f":{pipe.readline().strip()}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", WATCH], capture_output=True, text=True, timeout=120, env=settings
        )
    finally:
        if process is not None:
            process.terminate()
            process.wait()
    assert "watched" in done.stdout, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a display is always there")
def test_without_a_display_a_person_is_told_so_in_one_sentence(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NoRenderingError, match="needs a display, and there is none") as error:
            gymnasium.make(ID, render_mode="human")
    assert 'render_mode="rgb_array"' in str(error.value)
    assert "\n" not in str(error.value)
