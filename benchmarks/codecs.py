"""What codecs lose of actions, and how many tokens they need, by control rate: `python benchmarks/codecs.py`.

Experts demonstrate without pictures; the codecs are fitted to the chunks of some episodes and measured on
those of others. A chunk is the same time at every rate, and all of its actions lie within the episode. The
errors are root mean squares of what comes back after encoding and decoding: of normalized actions over the
dimensions that vary, and of each dimension in its own unit. Tokens are those that a
policy must predict, the end included; times are CPU times of one thread for one chunk. Prints a Markdown
table.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from vlasandbox.envs import make
from vlasandbox.envs.demonstrations import collect_episode
from vlasandbox.envs.seeds import DEMONSTRATIONS, VALIDATION
from vlasandbox.policies import codecs
from vlasandbox.policies.codec import ActionCodec
from vlasandbox.policies.normalizer import Normalizer

SECONDS = 0.8
"""Duration of a chunk: 8 actions at 10 Hz, as the presets have it."""
TIMED = 50
"""Chunks that are encoded and decoded one by one."""
UNITS = {"m": ("mm", 1e3), "rad": ("mrad", 1e3), "1": ("", 1.0)}
"""How a unit is shown, and how many of that it is."""


@dataclass(frozen=True)
class Row:
    """One codec on one task at one rate."""

    error: float
    """Of normalized actions."""
    errors: Float[np.ndarray, " a"]
    """Of each dimension, in its own unit."""
    tokens: float
    """Per chunk, mean."""
    encode_ms: float
    decode_ms: float


def demonstrations(task: str, hz: float, seeds: range) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The actions [t, a] of the successful episodes among `seeds`, and what they mean."""
    env = make(task, cameras=(), control_hz=hz)
    episodes = [collect_episode(env, seed) for seed in seeds]
    env.close()
    return [episode.action for episode in episodes if episode.success], env.actions.to_dict()


def chunks(actions: list[np.ndarray], k: int) -> Float[torch.Tensor, "n k a"]:
    """All chunks of `k` actions of each episode [t, a]."""
    windows = [rearrange(sliding_window_view(a, k, axis=0), "n a k -> n k a") for a in actions if len(a) >= k]
    return torch.from_numpy(np.concatenate(windows))


def measure(codec: ActionCodec, wanted: Float[torch.Tensor, "n k a"], normalizer: Normalizer) -> Row:
    """Of a fitted codec, on normalized chunks."""
    ids = codec.encode(wanted)
    back, failed = codec.decode(ids)
    assert not failed.any()
    singles = list(wanted[torch.linspace(0, len(wanted) - 1, TIMED).long(), None])
    encoded = [codec.encode(one) for one in singles]

    def rms(x: torch.Tensor, pattern: str) -> np.ndarray:
        return reduce(x.double() ** 2, pattern, "mean").sqrt().numpy()

    return Row(
        error=float(rms((back - wanted)[:, :, normalizer.scale > 0], "n k a ->")),
        errors=rms(normalizer.unnormalize(back) - normalizer.unnormalize(wanted), "n k a -> a"),
        tokens=float(codec.real(ids).sum(dim=1).double().mean()),
        encode_ms=median_ms(codec.encode, singles),
        decode_ms=median_ms(codec.decode, encoded),
    )


def median_ms(work: Callable[[torch.Tensor], object], rows: list[torch.Tensor]) -> float:
    """Median time of `work` on one row [ms]."""
    times = []
    for row in rows:
        start = time.thread_time()
        work(row)
        times.append(time.thread_time() - start)
    return 1e3 * statistics.median(times)


def action_stats(actions: np.ndarray) -> dict[str, np.ndarray]:
    """Of actions [n, a], for the normalizer."""
    low, high = np.quantile(actions, [0.01, 0.99], axis=0)
    edges = {"min": actions.min(0), "max": actions.max(0), "q01": low, "q99": high}
    return edges | {"mean": actions.mean(0), "std": actions.std(0)}


def main() -> None:
    """One row for each task, rate and codec."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["pick", "trace"])
    parser.add_argument("--rates", type=float, nargs="+", default=[5.0, 10.0, 20.0, 50.0], help="[Hz]")
    parser.add_argument("--fitted", type=int, default=40, help="episodes that codecs are fitted to")
    parser.add_argument("--measured", type=int, default=20, help="episodes that they are measured on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    titles = ["task", "Hz", "k", "codec", "normalized error", "error by dimension"]
    titles += ["tokens/chunk", "tokens/s", "encode ms", "decode ms"]
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    for task in options.tasks:
        for hz in options.rates:
            known, space = demonstrations(task, hz, DEMONSTRATIONS[: options.fitted])
            unseen, _ = demonstrations(task, hz, VALIDATION[: options.measured])
            normalizer = Normalizer("quantile", action_stats(np.concatenate(known)))
            k = round(SECONDS * hz)
            fitted, measured = (normalizer.normalize(chunks(part, k)) for part in (known, unseen))
            for name in codecs.names():
                codec = codecs.default_config(name).build(k, len(space["dims"]))
                codec.fit(fitted, torch.Generator().manual_seed(0))
                row = measure(codec, measured, normalizer)
                show(f"{task} | {hz:g} | {k} | {name}", row, space)


def show(name: str, row: Row, space: dict[str, Any]) -> None:
    """Prints a row; errors carry the name of their dimension."""
    parts = []
    for dim, unit, error in zip(space["dims"], space["units"], row.errors, strict=True):
        shown, factor = UNITS[unit]
        parts.append(f"{dim} {factor * error:.3f} {shown}".strip())
    print(
        f"| {name} | {row.error:.4f} | {', '.join(parts)} | {row.tokens:.1f} | {row.tokens / SECONDS:.3g} "
        f"| {row.encode_ms:.2f} | {row.decode_ms:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
