"""What an environment step costs beyond physics and rendering, by task: `python benchmarks/env_speed.py`.

Plays the same demonstrations through `env.step` and through a bare loop (mj_step with every recorded servo
setpoint, which gives the same motion, then one render per camera with the same renderer) on the same model,
in alternating rounds.
The ratio is of CPU times (all threads of the process), which other work on the machine disturbs least. The
rate is that of two processes at once, which step and render only.
"""

import argparse
import multiprocessing
import statistics
import time
from typing import Any
from unittest.mock import patch

import numpy as np

from vlasandbox.envs import make, tasks
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.manipulation_env import ManipulationEnv

Setpoints = list[list[tuple[np.ndarray, int]]]
"""Control step by control step: setpoints of the servos, and for how many physics steps each holds."""


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
    """What `env.step` passes to mj_step; checks that the bare loop then ends in the same state."""
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
    end = env.data.qpos.copy()
    bare_steps(env, seed, setpoints)
    assert np.array_equal(env.data.qpos, end)
    return setpoints


def bare_steps(env: ManipulationEnv, seed: int, setpoints: Setpoints) -> Stopwatch:
    """Times as many steps with nothing but mj_step and rendering."""
    env.reset(seed=seed)
    size = env.image_size
    with Stopwatch() as watch:
        for control_step in setpoints:
            for setpoint, substeps in control_step:
                env.data.ctrl[:] = setpoint
                mujoco.mj_step(env.model, env.data, nstep=substeps)
            for camera in env.cameras:
                env.render_frame(camera, size, size, env.quality)
    return watch


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
    parser.add_argument("--tasks", default="suite", help="pick, pick+stack, suite ...")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--size", type=int, default=96, help="side of the images [px]")
    parser.add_argument("--seconds", type=float, default=4.0, help="for the rate of two processes")
    options = parser.parse_args()
    print("| task | steps | env cpu ms | bare cpu ms | ratio | env steps/s, two processes |")
    print("|---|---|---|---|---|---|")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for task in tasks.expand(options.tasks):
            env = make(task, image_size=options.size)
            actions = demonstration(env, seed=0)
            setpoints = recorded_setpoints(env, 0, actions)
            rounds = [
                (env_steps(env, 0, actions), bare_steps(env, 0, setpoints)) for _ in range(options.rounds)
            ]
            full, bare = (
                1e3 * statistics.median(w.cpu for w in ws) / len(actions) for ws in zip(*rounds, strict=True)
            )
            env.close()
            both = sum(pool.starmap(rate, 2 * [(task, options.size, options.seconds)]))
            print(
                f"| {task} | {len(actions)} | {full:.2f} | {bare:.2f} | {full / bare:.2f} | {both:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
