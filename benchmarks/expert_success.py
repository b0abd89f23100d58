"""How often the scripted experts succeed: `python benchmarks/expert_success.py --episodes 300`.

Plays every task on validation seeds, undisturbed and with the disturbances of recording, on all cores, and
prints a Markdown table. Failures are listed below it with their stage.
"""

import argparse
import multiprocessing
from collections import Counter

from vlasandbox.envs import make, tasks
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.expert import NoiseConfig
from vlasandbox.envs.seeds import VALIDATION
from vlasandbox.envs.simulation.pool import usable_cores
from vlasandbox.eval.stats.paired import wilson
from vlasandbox.train.perturbed_tasks import check_perturbed_tasks

Row = tuple[bool, int, str]
"""Success, control steps, last stage."""


def play(job: tuple[str, str | None, float, str, bool, list[int]]) -> list[Row]:
    """The episodes of some seeds."""
    task, robot, control_hz, perturb, noise, seeds = job
    env = make(task, robot=robot, control_hz=control_hz, perturb=perturb, image_size=8, cameras=())
    rows = []
    for seed in seeds:
        episode = collect_episode(env, seed, NoiseConfig() if noise else None)
        stage = env.stage()
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
    parser.add_argument("--perturb", default="", help="mass=5 ...: whether perturbed episodes can be solved")
    options = parser.parse_args()
    cores = usable_cores()
    seeds = [list(VALIDATION[: options.episodes])[core::cores] for core in range(cores)]
    print("| task | Hz | episodes | success | 95% interval | mean time to success [s] |")
    print("|---|---|---|---|---|---|")
    failures: list[str] = []
    rates: list[float] = options.control_hz
    kinds: list[str] = options.kinds
    names = tasks.expand(options.tasks)
    check_perturbed_tasks(options.perturb, names)
    cells = [(task, hz, kind) for task in names for hz in rates for kind in kinds]
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        for task, hz, kind in cells:
            how = (task, options.robot, hz, options.perturb, kind == "disturbed")
            parts = pool.map(play, [(*how, part) for part in seeds])
            rows = [row for part in parts for row in part]
            wins = [steps / hz for success, steps, _ in rows if success]
            low, high = wilson(len(wins), len(rows))
            interval = f"[{100 * low:.1f}, {100 * high:.1f}]%"
            seconds = sum(wins) / max(len(wins), 1)
            print(
                f"| {task} | {hz:g} | {kind} | {len(wins)}/{len(rows)} | {interval} | {seconds:.1f} |",
                flush=True,
            )
            lost = Counter(stage for success, _, stage in rows if not success)
            if lost:
                stages = ", ".join(f"{stage} {count}" for stage, count in lost.items())
                failures.append(f"{task}, {hz:g} Hz, {kind}: {stages}")
    print("\nStages in which episodes failed:\n" + "\n".join(failures or ["none"]))


if __name__ == "__main__":
    main()
