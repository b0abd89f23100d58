"""What an environment step costs beyond physics and rendering, by task: `python benchmarks/env_speed.py`.

Plays the same demonstrations through `env.step` and through two bare loops on the same model, in alternating
rounds. Both call mj_step with every recorded servo setpoint, which gives the same motion, and render once per
camera, which gives the same pictures: one by `mujoco.Renderer`, as one writes it without an environment, the
other by the environment's renderer, which leaves out what a camera does not see.
The ratios are of CPU times (all threads of the process), which other work on the machine disturbs least. The
rate is that of two processes at once, which step and render only.
The software renderer has no threads of its own here, as in the processes that record and evaluate
(envs/simulation/process.py).
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from vlasandbox.envs import make, tasks
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.manipulation_env import ManipulationEnv
from vlasandbox.envs.simulation.process import ONE_THREAD

os.environ |= ONE_THREAD  # llvmpipe reads it when the first context is made, here and in children

Setpoints = list[list[tuple[np.ndarray, int]]]
"""Control step by control step: setpoints of the servos, and for how many physics steps each holds."""
Frame = Callable[[str], np.ndarray]
"""What a camera sees."""


def demonstration(env: ManipulationEnv, seed: int) -> list[np.ndarray]:
    """The expert's actions in the episode of `seed`."""
    expert = env.definition.expert()
    env.reset(seed=seed)
    actions, done = [], False
    while not done:
        actions.append(expert.act(env))
        _, _, terminated, truncated, _ = env.step(actions[-1])
        done = terminated or truncated
    return actions


class Stopwatch:
    """CPU and wall seconds of a `with` block."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.cpu = time.process_time() - self._start[0]
        self.wall = time.perf_counter() - self._start[1]


def env_steps(env: ManipulationEnv, seed: int, actions: list[np.ndarray]) -> Stopwatch:
    """Times the episode through `env.step`."""
    env.reset(seed=seed)
    with Stopwatch() as watch:
        for action in actions:
            env.step(action)
    return watch


def recorded_setpoints(env: ManipulationEnv, seed: int, actions: list[np.ndarray]) -> Setpoints:
    """What `env.step` passes to mj_step."""
    env.reset(seed=seed)
    setpoints: Setpoints = []
    mj_step = mujoco.mj_step

    def record(model: Any, data: Any, nstep: int) -> None:
        setpoints[-1].append((data.ctrl.copy(), nstep))
        mj_step(model, data, nstep=nstep)

    with patch.object(mujoco, "mj_step", record):
        for action in actions:
            setpoints.append([])
            env.step(action)
    return setpoints


def check(env: ManipulationEnv, seed: int, setpoints: Setpoints, frame: Frame) -> None:
    """A bare loop ends where the environment did, and its pictures are the environment's."""
    end, own = env.data.qpos.copy(), own_frame(env)
    bare_steps(env, seed, setpoints, frame)
    assert np.array_equal(env.data.qpos, end)
    for camera in env.cameras:
        assert np.array_equal(frame(camera), own(camera))


def bare_steps(env: ManipulationEnv, seed: int, setpoints: Setpoints, frame: Frame) -> Stopwatch:
    """Times as many steps with nothing but mj_step and a picture from every camera."""
    env.reset(seed=seed)
    with Stopwatch() as watch:
        for control_step in setpoints:
            for setpoint, substeps in control_step:
                env.data.ctrl[:] = setpoint
                mujoco.mj_step(env.model, env.data, nstep=substeps)
            for camera in env.cameras:
                frame(camera)
    return watch


def mujoco_frame(env: ManipulationEnv) -> Frame:
    """Pictures by MuJoCo's own means, with the settings of the environment's quality "fast"."""
    vis = env.model.vis
    vis.quality.shadowsize = vis.quality.offsamples = 0
    vis.global_.offwidth = vis.global_.offheight = env.image_size
    renderer = mujoco.Renderer(env.model, env.image_size, env.image_size)
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False

    def frame(camera: str) -> np.ndarray:
        renderer.update_scene(env.data, camera)
        return renderer.render()

    return frame


def own_frame(env: ManipulationEnv) -> Frame:
    """Pictures by the environment's renderer."""
    return lambda camera: env.render_frame(camera, env.image_size, env.image_size, env.quality)


def rate(task: str, size: int, seconds: float) -> float:
    """Steps a second of one process [1/s]."""
    env = make(task, image_size=size)
    actions = demonstration(env, seed=0)
    steps, wall = 0, 0.0
    while wall < seconds:
        wall += env_steps(env, 0, actions).wall
        steps += len(actions)
    env.close()
    return steps / wall


def main() -> None:
    """Prints a table, one row per task; every ratio is of medians over rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="+".join(tasks.names()), help="pick, pick+stack, suite ...")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", type=int, default=96, help="side of the images [px]")
    parser.add_argument("--seconds", type=float, default=4.0, help="for the rate of two processes")
    options = parser.parse_args()
    print(
        "| task | steps | env cpu ms | / mujoco.Renderer loop | / loop with ours | steps/s, two processes |"
    )
    print("|---|---|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for task in tasks.expand(options.tasks):
            env = make(task, image_size=options.size)
            actions = demonstration(env, seed=0)
            setpoints = recorded_setpoints(env, 0, actions)
            frames = [mujoco_frame(env), own_frame(env)]
            for frame in frames:
                check(env, 0, setpoints, frame)
            rounds = [
                (
                    env_steps(env, 0, actions),
                    *(bare_steps(env, 0, setpoints, frame) for frame in frames),
                )
                for _ in range(options.rounds)
            ]
            full, plain, own = (
                1e3 * statistics.median(w.cpu for w in ws) / len(actions) for ws in zip(*rounds, strict=True)
            )
            env.close()
            both = sum(pool.starmap(rate, 2 * [(task, options.size, options.seconds)]))
            ratios = f"{full / plain:.2f} | {full / own:.2f}"
            print(f"| {task} | {len(actions)} | {full:.2f} | {ratios} | {both:.0f} |", flush=True)


if __name__ == "__main__":
    main()
