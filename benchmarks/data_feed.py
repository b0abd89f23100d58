"""Recording and feeding: recorded frames/s, cache build rate, windows/s against decoding the mp4 per sample.

    python benchmarks/data_feed.py [--episodes 100] [--batch-size 64]

Everything is measured in one run on one machine, so that the ratio of the two feeds is fair.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vlasandbox.envs.simulation.pool import usable_cores
from vlasandbox.train.data.cache import frame_cache
from vlasandbox.train.data.dataset import Dataset
from vlasandbox.train.data.video import decode
from vlasandbox.train.data.windows import WindowSampler
from vlasandbox.train.recording.record import RecordConfig, record


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU of this process) for `work` [s]."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def decode_batch(dataset: Dataset, frames: np.ndarray) -> np.ndarray:
    """The pictures of `frames` straight from the videos, [b, v, h, w, 3]: a seek and a decode for each."""
    batch = []
    for frame in frames:
        runs = [run for run in dataset.video_runs if run.start <= frame < run.start + run.length]
        runs.sort(key=lambda run: run.camera)
        pictures = [next(decode(r.path, r.first + int(frame) - r.start, 1, dataset.fps)) for r in runs]
        batch.append(np.stack(pictures))
    return np.stack(batch)


def main() -> None:
    """Prints one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "pick"
        config = RecordConfig(root, episodes=arguments.episodes, workers=min(2, usable_cores()))
        wall, _ = timed(lambda: record(config))
        dataset = Dataset.open(root)
        pictures = len(dataset) * len(dataset.cameras)
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        count = len(dataset.starts)
        print(f"record      {pictures / wall:9.0f} images/s ({count / wall:.1f} episodes/s, {wall:.1f} s)")
        print(f"on disk     {size / count / 1000:9.1f} kB per episode of {count}")

        wall, cpu = timed(lambda: Dataset.open(root).fingerprint)
        print(f"open        {wall:9.3f} s with fingerprint ({cpu:.3f} s CPU)")
        place = root.parent / "frames"
        wall, cpu = timed(lambda: frame_cache(dataset, 96, place))
        print(f"cache build {pictures / wall:9.0f} images/s ({cpu / pictures * 1000:.3f} ms CPU each)")
        cache = frame_cache(dataset, 96, place)

        sampler = WindowSampler(dataset, cache, chunk=8, batch_size=arguments.batch_size, seed=0)
        steps = 100
        sampled, cpu = timed(lambda: [sampler.batch(step) for step in range(steps)])
        each = sampled / steps * 1000
        windows = steps * arguments.batch_size / sampled
        print(
            f"sampler     {windows:9.0f} windows/s ({each:.2f} ms per batch, {cpu / steps * 1000:.2f} ms CPU)"
        )
        before = sampler.wait_seconds
        for step in range(steps, steps + 20):
            time.sleep(0.05)
            sampler.batch(step)
        waited = sampler.wait_seconds - before
        print(f"waiting     {waited / 20 * 1000:9.3f} ms per batch if a step takes 50 ms")
        decoded, _ = timed(lambda: [decode_batch(dataset, sampler.frames(step)) for step in range(3)])
        per_sample = 3 * arguments.batch_size / decoded
        print(f"mp4 feed    {per_sample:9.0f} windows/s, decoded per sample in one thread")
        print(f"ratio       {windows / per_sample:9.0f} x")
        sampler.close()


if __name__ == "__main__":
    main()
