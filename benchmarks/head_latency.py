"""What each action head costs on the default trunk, untrained: `python benchmarks/head_latency.py`.

Latency: encoding an observation and sampling a chunk, in ms, heads in turn within each round. The ratio is
that of flow's 10 steps to one regression pass. Training: forward and backward through trunk and head in
the default precision, in samples per second. One thread; the time is the thread's CPU time, which other work
on the machine disturbs least.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from vlasandbox.policies.head import ActionHead, HeadConfig
from vlasandbox.policies.heads import diffusion, flow, regression, tokens
from vlasandbox.policies.trunk import Trunk, TrunkConfig
from vlasandbox.policies.types import Observation
from vlasandbox.train.machine import Precision, choose_precision

CHUNK, ACTION_DIM, STATE_DIM, VIEWS = 8, 5, 17, 2
INSTRUCTION = "pick up the red cube"
HEADS: dict[str, HeadConfig] = {
    "regression": regression.Config(),
    "tokens, parallel": tokens.Config(decoding="parallel"),
    "tokens, autoregressive": tokens.Config(decoding="autoregressive"),
    "diffusion, 10 steps": diffusion.Config(),
    "flow, 10 steps": flow.Config(),
}


def observations(trunk: Trunk, batch: int) -> Observation:
    """Noise of the right shape."""
    size = trunk.image_size
    images = torch.randint(256, (batch, VIEWS, size, size, 3), dtype=torch.uint8)
    return Observation(images, torch.randn(batch, STATE_DIM), [INSTRUCTION] * batch)


def act(trunk: Trunk, head: ActionHead, observation: Observation) -> None:
    """A chunk per row."""
    generators = [torch.Generator().manual_seed(row) for row in range(len(observation.instruction))]
    with torch.inference_mode():
        head.sample(trunk.encode(observation), generators)


def passes(trunk: Trunk, head: ActionHead, observation: Observation) -> int:
    """Network evaluations per chunk."""
    generators = [torch.Generator().manual_seed(row) for row in range(len(observation.instruction))]
    with torch.inference_mode():
        _, counts = head.sample_counted(trunk.encode(observation), generators)
    return counts.evaluations_per_chunk(head.num_function_evaluations)


def learn(trunk: Trunk, head: ActionHead, observation: Observation, precision: Precision) -> None:
    """Gradients of one batch."""
    b = len(observation.instruction)
    actions, mask = torch.rand(b, CHUNK, ACTION_DIM) * 2 - 1, torch.ones(b, CHUNK, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        prefix = trunk.encode(observation)
        loss, _ = head.loss(prefix, actions, mask, torch.Generator().manual_seed(0))
    loss.mean().backward()
    for parameter in [*trunk.parameters(), *head.parameters()]:
        parameter.grad = None


def interleaved(work: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each piece of work in every round, after two rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 2):
        for name, run in work.items():
            start = time.thread_time()
            run()
            seconds[name].append(time.thread_time() - start)
    return {name: times[2:] for name, times in seconds.items()}


def main() -> None:
    """Prints the two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--train-rounds", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    precision: Precision = choose_precision(torch.device("cpu")).precision
    trunk = TrunkConfig().build(VIEWS, STATE_DIM, [INSTRUCTION])
    heads = {name: config.build(trunk, CHUNK, ACTION_DIM) for name, config in HEADS.items()}

    for batch in (1, 16):
        seen = observations(trunk, batch)
        work = {name: lambda head=head, seen=seen: act(trunk, head, seen) for name, head in heads.items()}
        times = interleaved(work, args.rounds)
        print(f"batch {batch:2}  ms per call, p50 (p95), and network evaluations")
        for name, head in heads.items():
            ordered = sorted(times[name])
            p50, p95 = statistics.median(ordered), ordered[int(0.95 * len(ordered))]
            print(f"  {name:24} {1e3 * p50:7.2f} ({1e3 * p95:6.2f})  {passes(trunk, head, seen):3}")
        pairs = zip(times["flow, 10 steps"], times["regression"], strict=True)
        print(f"  flow / regression        {statistics.median(f / r for f, r in pairs):7.2f}")

    seen = observations(trunk, 32)
    times = interleaved(
        {name: lambda head=head: learn(trunk, head, seen, precision) for name, head in heads.items()},
        args.train_rounds,
    )
    print(f"training samples/s, batch 32, {precision}, and parameters of the head")
    for name, head in heads.items():
        size = sum(p.numel() for p in head.parameters())
        print(f"  {name:24} {32 / statistics.median(times[name]):7.0f}  {size:8,}")


if __name__ == "__main__":
    main()
