"""Device, precision and threads of a training on this machine, and the measurements that decide them."""

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch

from ..common.errors import InputError

Precision = Literal["bf16", "fp32"]

ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Environment variables that keep torch from instructions that the processor has."""
BF16_GAIN = 2.0
"""Speedup of matrix products from which training in bf16 pays on a CPU, as autocast's casts cost time, too.
With products 3.7 times as fast (AMX) an update of `pick_flow` took 0.76 of its time in fp32, with 0.6 times
(AVX512-BF16 alone, same CPU) 1.27; of `pick_regression` 0.75 and 1.62. Straight lines in the inverse speedup
through these reach 1 at 1.1 and 1.5."""
PRODUCT = (2048, 128, 512)
"""Rows, inner and outer width of the product that is timed: about an MLP layer of the tiny trunk."""
THREAD_GAIN = 1.1
"""Speedup below which more threads are not worth the cores."""
REPEATS = 3
PATIENCE = 1.5
"""Time of one call from which on it is not repeated [s]."""


@dataclass(frozen=True)
class Choice:
    """Chosen precision, and the reason."""

    precision: Precision
    reason: str
    """Reason as a clause, e.g. "this CPU has AMX"."""


@dataclass(frozen=True)
class Threads:
    """Chosen number of torch threads, and the reason."""

    number: int
    seconds: Mapping[int, float]
    """Time of the work on each number of threads that was tried [s]."""


@dataclass(frozen=True)
class MatrixRates:
    """Speed of matrix products on one thread."""

    fp32: float
    """Speed in float32 [GFLOP/s]."""
    bf16: float
    """Speed in bfloat16 [GFLOP/s]."""


def choose_device(name: str) -> torch.device:
    """Returns the device called `name`; "auto" is CUDA where there is one.

    Raises:
        ValueError: there is no such device here; names those that there are.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    valid = ["cpu", *(["cuda"] if count else []), *(f"cuda:{i}" for i in range(count))]
    if name not in valid:
        raise InputError(f"unknown device '{name}'; this machine has: auto, {', '.join(valid)}")
    return torch.device(name)


def choose_precision(device: torch.device) -> Choice:
    """Returns the precision in which an update takes less time on `device`: bf16 where it has units for it.

    Without them torch emulates bf16: with AVX2 an update took 9 to 12 times as long as in fp32. Flags decide
    where they are clear. They are not where an environment variable limits the instructions (oneDNN calls
    bf16 supported as soon as it can emulate it), for AVX512-BF16 without AMX, and on ARM: there the measured
    rates of matrix products decide. It is never fp16, whose range needs loss scaling.
    """
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bf16", "this GPU has bf16 units")
        return Choice("fp32", "this GPU has no bf16 units and would emulate bf16")
    if not _onednn_takes_bf16():
        return Choice("fp32", "torch finds no bf16 units on this CPU and would emulate bf16")
    if torch.cpu._is_amx_tile_supported() and not any(os.environ.get(name) for name in ISA_LIMITS):
        return Choice("bf16", "this CPU has AMX")
    rates = matrix_rates()
    measured = f"bf16 matrix products are {rates.bf16 / rates.fp32:.1f} times as fast as fp32 here"
    if rates.bf16 >= BF16_GAIN * rates.fp32:
        return Choice("bf16", measured)
    return Choice("fp32", f"{measured}; below {BF16_GAIN:g} an update gains nothing")


def _onednn_takes_bf16() -> bool:
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@cache
def matrix_rates(seconds: float = 0.3) -> MatrixRates:
    """Measures products of PRODUCT's shape on one thread, for so many `seconds` of its CPU time in all [s].

    The two precisions take turns. CPU time, so that other programs count for little.
    """
    m, k, n = PRODUCT
    dtypes = (torch.float32, torch.bfloat16)
    operands = {dtype: (torch.ones(m, k, dtype=dtype), torch.ones(k, n, dtype=dtype)) for dtype in dtypes}
    used = dict.fromkeys(dtypes, 0.0)
    rounds = 0
    with num_threads(1):
        for a, b in operands.values():
            torch.mm(a, b)  # compiles the kernel
        while rounds < 3 or sum(used.values()) < seconds:
            for dtype, (a, b) in operands.items():
                start = time.thread_time()
                torch.mm(a, b)
                used[dtype] += time.thread_time() - start
            rounds += 1
    gflop = 2e-9 * m * k * n * rounds
    return MatrixRates(gflop / used[torch.float32], gflop / used[torch.bfloat16])


def choose_threads(work: Callable[[], object], most: int) -> Threads:
    """Finds the number of torch threads, up to `most`, on which `work` takes the least time here and now.

    The number is doubled as long as that pays (THREAD_GAIN). On cores that other processes keep busy, two
    threads that wait for each other can be ten times slower than one.
    """
    best, seconds = 1, dict[int, float]()
    for threads in sorted({*(2**i for i in range(most.bit_length())), most}):
        shortest = seconds.get(best, math.inf)
        seconds[threads] = seconds_per_call(work, threads, shortest)
        if seconds[threads] * THREAD_GAIN > shortest:
            break
        best = threads
    return Threads(best, seconds)


def seconds_per_call(work: Callable[[], object], threads: int, bound: float = math.inf) -> float:
    """Measures `work` on so many torch threads [s]: the median of REPEATS calls after one that warms up, or
    that one alone if it took longer than PATIENCE or far longer than `bound` [s]."""
    with num_threads(threads):
        first = _timed(work)
        if first > min(PATIENCE, 3 * bound):
            return first
        return statistics.median(_timed(work) for _ in range(REPEATS))


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def num_threads(threads: int) -> Iterator[None]:
    """Runs the block on so many torch threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
