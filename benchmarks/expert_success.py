"""How often the scripted experts succeed: `python benchmarks/expert_success.py --episodes 300`.

Plays every task on validation seeds, undisturbed and with the disturbances of recording, on all cores, and
prints a Markdown table. Failures are listed below it with their stage, so that they can be looked at.
"""

import argparse
import multiprocessing
from collections import Counter

from vlasandbox.envs import make, tasks
from vlasandbox.envs.collect import collect_episode
from vlasandbox.envs.expert import NoiseConfig
from vlasandbox.envs.seeds import VALIDATION
from vlasandbox.eval.pool import usable_cores
from vlasandbox.eval.stats import wilson

Row = tuple[bool, int, str]
"""Success, control steps, last stage."""


def play(job: tuple[str, str | None, float, bool, list[int]]) -> list[Row]:
    """The episodes of some seeds."""
    task, robot, control_hz, noise, seeds = job
    env = make(task, robot=robot, control_hz=control_hz, image_size=8, cameras=())
    rows = []
    for seed in seeds:
        episode = collect_episode(env, seed, NoiseConfig() if noise else None)
        stage = env.definition.stage(env.world, env.scenario)
        rows.append((episode.success, len(episode), stage))
    env.close()
    return rows


def main() -> None:
    """One row for each task, rate and kind of episode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="suite", help="pick, pick+stack, suite ...")
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--control-hz", type=float, nargs="+", default=[10.0])
    parser.add_argument("--robot", default=None)
    parser.add_argument("--kinds", nargs="+", default=["clean", "disturbed"], choices=["clean", "disturbed"])
    options = parser.parse_args()
    seeds, cores = list(VALIDATION[: options.episodes]), usable_cores()
    print("| task | Hz | episodes | success | 95 % interval | mean seconds |\n|---|---|---|---|---|---|",
    flush=True) failures: list[str] = [] with multiprocessing.get_context("spawn").Pool(cores) as pool:
        for task in tasks.expand(options.tasks):
            for hz in options.control_hz:
                for kind in options.kinds:
                    jobs = [(task, options.robot, hz, kind == "disturbed", seeds[i::cores]) for i in
                    range(cores)] rows = [row for part in pool.map(play, jobs) for row in part] wins, n =
                    sum(row[0] for row in rows), len(rows) low, high = wilson(wins, n) seconds = sum(row[1]
                    for row in rows if row[0]) / max(wins, 1) / hz print(
                        f"| {task} | {hz:g} | {kind} | {wins}/{n} | [{100 * low:.1f}, {100 * high:.1f}] % | "
                        f"{seconds:.1f} |",
                        flush=True,
                    )
                    lost = Counter(row[2] for row in rows if not row[0])
                    if lost:
                        failures.append(f"{task}, {hz:g} Hz, {kind}: " + ", ".join(f"{s} {c}" for s, c in
                        lost.items()))
    print("\nStages in which episodes failed:\n" + "\n".join(failures or ["none"]))


if __name__ == "__main__":
    main()
