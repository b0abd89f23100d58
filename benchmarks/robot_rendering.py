"""What an image costs, by robot and quality: `python benchmarks/robot_rendering.py`.

Milliseconds of CPU time (all threads of the process) for one image of the "front" and the "wrist" camera, on
average over poses of an episode; the fastest of some alternating rounds. For the Panda with meshes, say where
it is: `MENAGERIE_ROOT=... python benchmarks/robot_rendering.py --robots franka menagerie_panda`.
"""

import argparse
import time

import numpy as np

from vlasandbox.envs import make
from vlasandbox.envs.manipulation_env import ManipulationEnv


def poses(env: ManipulationEnv, seed: int) -> list[np.ndarray]:
    """States of an expert's episode."""
    expert = env.definition.expert()
    env.reset(seed=seed)
    states, done = [], False
    while not done:
        _, _, terminated, truncated, _ = env.step(expert.act(env))
        states.append(env.physics_state())
        done = terminated or truncated
    return states


def cost(env: ManipulationEnv, states: list[np.ndarray], camera: str, size: int, quality: str) -> float:
    """CPU time of an image [ms]."""
    spent = 0.0
    for state in states:
        env.set_physics_state(state)
        start = time.process_time()
        env.render_frame(camera, size, size, quality)
        spent += time.process_time() - start
    return 1e3 * spent / len(states)


def main() -> None:
    """One row for each robot and quality."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", nargs="+", default=["franka", "so101_like"])
    parser.add_argument("--qualities", nargs="+", default=["fast", "shadow"])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    envs = {robot: make("pick", robot=robot, image_size=8) for robot in options.robots}
    states = {robot: poses(env, seed=1) for robot, env in envs.items()}
    cells = [
        (quality, robot, camera)
        for quality in options.qualities
        for robot in envs
        for camera in ("front", "wrist")
    ]
    best = dict.fromkeys(cells, np.inf)
    for _ in range(options.rounds):
        for quality, robot, camera in cells:
            spent = cost(envs[robot], states[robot], camera, options.size, quality)
            best[quality, robot, camera] = min(best[quality, robot, camera], spent)
    print("| quality | robot | front [ms] | wrist [ms] |\n|---|---|---|---|")
    for quality in options.qualities:
        for robot in envs:
            front, wrist = (best[quality, robot, camera] for camera in ("front", "wrist"))
            print(f"| {quality} | {robot} | {front:.2f} | {wrist:.2f} |")


if __name__ == "__main__":
    main()
