"""What an environment step costs beyond physics and rendering: `python benchmarks/env_speed.py`.

Plays the same demonstrations through `env.step` and through a bare loop (mj_step with the recorded servo
setpoints, then one render per camera with the same renderer) on the same model, in alternating rounds.
The ratio is of CPU times (all threads of the process), which other work on the machine disturbs least.
"""

import argparse
import statistics
import time

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


def recorded_setpoints(env: ManipulationEnv, seed: int, actions: list[np.ndarray]) -> list[np.ndarray]:
    """Servo setpoints at the end of each control step."""
    env.reset(seed=seed)
    setpoints = []
    for action in actions:
        env.step(action)
        setpoints.append(env.data.ctrl.copy())
    return setpoints


def bare_steps(env: ManipulationEnv, seed: int, setpoints: list[np.ndarray]) -> Stopwatch:
    """Times as many steps with nothing but mj_step and rendering."""
    env.reset(seed=seed)
    renderer = env._renderers[env.quality]
    cameras = [env._camera_ids[name] for name in env.cameras]
    size = env.image_size
    with Stopwatch() as watch:
        for setpoint in setpoints:
            env.data.ctrl[:] = setpoint
            mujoco.mj_step(env.model, env.data, nstep=SUBSTEPS)
            for camera in cameras:
                renderer.render(env.model, env.data, camera, size, size)
    return watch


def main() -> None:
    """Prints a table, one row per image size; every number is a median over rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96, 128])
    options = parser.parse_args()
    print(f"{'images':>10} {'env cpu ms':>11} {'bare cpu ms':>12} {'ratio':>6} {'env steps/s (wall)':>19}")
    for size in options.sizes:
        env = make(image_size=size)
        actions = demonstration(env, seed=0)
        setpoints = recorded_setpoints(env, 0, actions)
        rounds = [(env_steps(env, 0, actions), bare_steps(env, 0, setpoints)) for _ in range(options.rounds)]
        full = statistics.median(env_.cpu for env_, _ in rounds) / len(actions)
        bare = statistics.median(bare_.cpu for _, bare_ in rounds) / len(actions)
        wall = statistics.median(env_.wall for env_, _ in rounds) / len(actions)
        print(
            f"{f'2 x {size}^2':>10} {1e3 * full:11.2f} {1e3 * bare:12.2f} {full / bare:6.2f} {1 / wall:19.0f}"
        )
        env.close()


if __name__ == "__main__":
    main()
