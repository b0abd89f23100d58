"""What an environment step costs beyond physics and rendering: `python benchmarks/env_speed.py`.

Plays the same demonstrations through `env.step` and through a bare loop (mj_step with the recorded servo
setpoints, then one render per camera with the same renderer) on the same model, in alternating rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from vlasandbox.envs import make
from vlasandbox.envs.gl import mujoco
from vlasandbox.envs.manipulation_env import ManipulationEnv

SUBSTEPS = 20
"""Physics steps in one control step at 10 Hz."""


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


def env_steps(env: ManipulationEnv, seed: int, actions: list[np.ndarray]) -> float:
    """Seconds for the episode through `env.step`."""
    env.reset(seed=seed)
    start = time.perf_counter()
    for action in actions:
        env.step(action)
    return time.perf_counter() - start


def recorded_setpoints(env: ManipulationEnv, seed: int, actions: list[np.ndarray]) -> list[np.ndarray]:
    """Servo setpoints at the end of each control step."""
    env.reset(seed=seed)
    setpoints = []
    for action in actions:
        env.step(action)
        setpoints.append(env.data.ctrl.copy())
    return setpoints


def bare_steps(env: ManipulationEnv, seed: int, setpoints: list[np.ndarray]) -> float:
    """Seconds for as many steps with nothing but mj_step and rendering."""
    env.reset(seed=seed)
    renderer = env._renderers[env.quality]
    cameras = [env._camera_ids[name] for name in env.cameras]
    size = env.image_size
    start = time.perf_counter()
    for setpoint in setpoints:
        env.data.ctrl[:] = setpoint
        mujoco.mj_step(env.model, env.data, nstep=SUBSTEPS)
        for camera in cameras:
            renderer.render(env.model, env.data, camera, size, size)
    return time.perf_counter() - start


def median(measure: Callable[[], float], other: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Median seconds of each of two measurements taken in turns."""
    pairs = [(measure(), other()) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    """Prints a table, one row per image size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96, 128])
    options = parser.parse_args()
    print(f"{'images':>10} {'env ms/step':>12} {'bare ms/step':>13} {'ratio':>6} {'env steps/s':>12}")
    for size in options.sizes:
        env = make(image_size=size)
        actions = demonstration(env, seed=0)
        setpoints = recorded_setpoints(env, 0, actions)
        full, bare = median(
            lambda env=env, actions=actions: env_steps(env, 0, actions),
            lambda env=env, setpoints=setpoints: bare_steps(env, 0, setpoints),
            options.rounds,
        )
        steps = len(actions)
        print(
            f"{f'2 x {size}^2':>10} {1e3 * full / steps:12.2f} {1e3 * bare / steps:13.2f}"
            f" {full / bare:6.2f} {steps / full:12.0f}"
        )
        env.close()


if __name__ == "__main__":
    main()
