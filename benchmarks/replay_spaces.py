"""Whether demonstrations mean the same in every action space: `python benchmarks/replay_spaces.py`.

Records with the expert in one space, converts the commands, and replays each episode in all others; whole
episodes in the relative spaces, which count from the first command. The last command is held for a moment:
rounded otherwise, an action may end a push a step later. Prints a Markdown table of successes.
"""

import argparse
import multiprocessing

import numpy as np

from vlasandbox.envs import make, tasks
from vlasandbox.envs.control import ACTION_SPACES
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.seeds import VALIDATION
from vlasandbox.envs.simulation.pool import usable_cores

RECORDED_IN = "ee_delta"
HELD = 3
"""Control steps for which the last command is held."""


def replay(job: tuple[str, list[int]]) -> dict[str, int]:
    """Successes by action space, and "demonstrated"."""
    task, seeds = job
    recorder = make(task, action_space=RECORDED_IN, cameras=())
    players = {name: make(task, action_space=name, cameras=()) for name in ACTION_SPACES}
    counts = dict.fromkeys(["demonstrated", *ACTION_SPACES], 0)
    for seed in seeds:
        episode = collect_episode(recorder, seed)
        if not episode.success:
            continue
        counts["demonstrated"] += 1
        last = np.repeat(episode.command[-1:], HELD, axis=0)
        commands = np.concatenate([episode.command, last])
        references = np.concatenate([episode.reference, last])
        for name, player in players.items():
            start = references[:1] if player.actions.mode == "relative" else references
            player.reset(seed=seed)
            *_, info = player.step_block(player.actions.encode(commands, start))
            counts[name] += info["is_success"]
    return counts


def main() -> None:
    """One row for each task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="suite", help="pick, pick+stack, suite ...")
    parser.add_argument("--episodes", type=int, default=100)
    options = parser.parse_args()
    cores = usable_cores()
    shares = [list(VALIDATION[: options.episodes])[core::cores] for core in range(cores)]
    print("| task | demonstrated | " + " | ".join(ACTION_SPACES) + " |")
    print("|---" * (len(ACTION_SPACES) + 2) + "|")
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        for task in tasks.expand(options.tasks):
            parts = pool.map(replay, [(task, share) for share in shares])
            totals = [sum(part[name] for part in parts) for name in ("demonstrated", *ACTION_SPACES)]
            print(f"| {task} | " + " | ".join(map(str, totals)) + " |", flush=True)


if __name__ == "__main__":
    main()
