"""An update in the default precision against one in fp32: `python benchmarks/update_speed.py [PRESET ...]`.

The two take turns, and medians are compared. One thread; the time is the thread's CPU time, which other work
on the machine disturbs least. What a CPU without bf16 units does can be seen on one that has them:

    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/update_speed.py --bf16
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch

from vlasandbox.train import presets
from vlasandbox.train.build import build, fit_head
from vlasandbox.train.config import TrainConfig
from vlasandbox.train.costs import one_update
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.machine import choose_precision, matrix_rates
from vlasandbox.train.recording.record import RecordConfig, record

PRESETS = ("pick_regression", "pick_tokens", "pick_diffusion", "pick_flow")
CPU = torch.device("cpu")


def updater(config: TrainConfig, dataset: Dataset) -> Callable[[], None]:
    """Updates of a fresh policy on one batch."""
    torch.manual_seed(config.seed)
    policy, sampler = build(config, dataset, CPU)
    with closing(sampler):
        fit_head(policy, sampler, config.seed)
        return one_update(config, policy, sampler.batch(0))


def interleaved(work: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median CPU time of each piece of work [ms], after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, run in work.items():
            start = time.thread_time()
            run()
            seconds[name].append(time.thread_time() - start)
    return {name: 1e3 * statistics.median(times[1:]) for name, times in seconds.items()}


def main() -> None:
    """Prints what was chosen and why, and a line for each preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("presets", nargs="*", default=PRESETS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bf16", action="store_true", help="time bf16 too, where it is not the default")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    choice, rates = choose_precision(CPU), matrix_rates()
    print(f"default {choice.precision}: {choice.reason}")
    print(f"matrix products [GFLOP/s]: fp32 {rates.fp32:.0f}, bf16 {rates.bf16:.0f}")
    with tempfile.TemporaryDirectory() as folder:
        root = record(RecordConfig(Path(folder) / "pick", episodes=8), watch=lambda: None)
        dataset = Dataset.open(root)
        print(f"{'ms per update':<18}{'fp32':>8}{'default':>9}{'ratio':>7}{'  bf16' * arguments.bf16}")
        for name in arguments.presets:
            config = presets.load(name)(root)
            arms = {"fp32": "fp32", "default": config.precision} | (
                {"bf16": "bf16"} if arguments.bf16 else {}
            )
            work = {arm: updater(replace(config, precision=to), dataset) for arm, to in arms.items()}
            times = interleaved(work, arguments.rounds)
            ratio = times["default"] / times["fp32"]
            bf16 = f"{times['bf16']:>8.0f}" if arguments.bf16 else ""
            print(f"{name:<18}{times['fp32']:>8.0f}{times['default']:>9.0f}{ratio:>7.2f}{bf16}", flush=True)


if __name__ == "__main__":
    main()
