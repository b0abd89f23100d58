"""What it costs that nothing is lost when the power fails: recording and training, with and without flushing.

    python benchmarks/durability.py [--pairs 5] [--episodes 40] [--updates 300]

Both are done in turn, in pairs, in the order AB BA AB ...; a ratio is that of the medians. Without flushing
`os.fsync` returns at once, in the simulation processes too. The folder should be on the disk in question:
a file system in memory has nothing to flush.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"

from vlasandbox.train.loop import train
from vlasandbox.train.presets import load
from vlasandbox.train.recording.record import RecordConfig, record

SPENT: list[float] = []
"""Wall time of each flush, beside the recording in a thread of its own [s]."""
WITHOUT = "import os\nos.fsync = lambda descriptor: None\n"
"""Content of a sitecustomize.py, which each Python runs when it starts."""


def main() -> None:
    """Prints a line for recording and one for training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--checkpoint-every", type=int, default=100, help="the default of presets is 500")
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        folder = Path(scratch)
        hook = folder / "hook"
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(WITHOUT)
        base = RecordConfig(folder / "data", args.episodes)
        record(base, watch=lambda: None)
        config = replace(
            load("pick_regression")(base.root, updates=args.updates),
            checkpoint_every=args.checkpoint_every,
            threads=1,
        )
        train(replace(config, updates=2), folder / "warm", bar=False)  # the cache of frames
        numbers = iter(range(10**6))

        def one_recording() -> None:
            record(replace(base, root=folder / f"data{next(numbers)}"), watch=lambda: None)

        def one_training() -> None:
            train(config, folder / f"run{next(numbers)}", bar=False)

        for name, body in (("recording", one_recording), ("training", one_training)):
            SPENT.clear()
            safe, unsafe = compare(body, hook, args.pairs)
            ratio = statistics.median(safe) / statistics.median(unsafe)
            print(
                f"{name}: {statistics.median(safe):.2f} s with flushing, {statistics.median(unsafe):.2f} s "
                f"without, ratio {ratio:.3f} (pairs: "
                f"{', '.join(f'{a / b:.3f}' for a, b in zip(safe, unsafe, strict=True))}); flushing took "
                f"{100 * sum(SPENT) / sum(safe):.2f} % of the time, in {len(SPENT) // args.pairs} calls",
                flush=True,
            )


def compare(body: Callable[[], None], hook: Path, pairs: int) -> tuple[list[float], list[float]]:
    """Times of `body` with and without flushing [s]."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for pair in range(pairs):
        for safe in (True, False) if pair % 2 == 0 else (False, True):
            os.sync()
            times[safe].append(timed(body, hook, safe))
    return times[True], times[False]


def timed(body: Callable[[], None], hook: Path, safe: bool) -> float:
    """Wall time of one run [s]."""
    real, path = os.fsync, os.environ.get("PYTHONPATH", "")

    def measured(descriptor: int) -> None:
        begun = time.perf_counter()
        real(descriptor)
        SPENT.append(time.perf_counter() - begun)

    os.fsync = measured if safe else lambda descriptor: None  # pyright: ignore
    if not safe:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(hook), path]))
    try:
        begun = time.perf_counter()
        body()
        return time.perf_counter() - begun
    finally:
        os.fsync = real
        os.environ["PYTHONPATH"] = path


if __name__ == "__main__":
    main()
