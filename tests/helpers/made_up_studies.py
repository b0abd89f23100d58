"""Results of studies out of thin air, for tests of what is done with them."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from made_up_results import result

from vlasandbox.eval.study.summary import StudyResult
from vlasandbox.eval.training_record import TrainingRecord


def training(cpu_minutes: float = 2.0, **changes: int) -> TrainingRecord:
    """A training whose loss falls."""
    rows = [{"step": step, "loss": 1.0 / step} for step in range(10, 60, 10)]
    known = {"updates": 50, "samples": 1600, "demonstrations": 100} | changes
    return TrainingRecord(
        cpu_minutes * 61, cpu_minutes * 60, samples_per_second=20.0, parameters=1_500_000, dataset="abcdef",
        device="cpu", precision="fp32", threads=1, rows=rows, **known,
    )  # fmt: skip


def study(
    axes: Mapping[str, Sequence[str]],
    rate: Callable[[Mapping[str, str], str], float],
    *,
    judged: Sequence[str] = ("test",),
    trainings: int = 3,
    episodes: int = 60,
    trained: bool = True,
) -> list[StudyResult]:
    """Every cell, with success at a given rate; which episodes are hard is the same for all."""
    generator = np.random.default_rng(0)
    hard = generator.permutation(episodes) / episodes
    found = []
    for combination in itertools.product(*axes.values()):
        levels = dict(zip(axes, combination, strict=True))
        for seed, way in itertools.product(range(trainings), judged):
            noise = generator.normal(0, 0.05, episodes)
            outcomes = "".join(
                "s" if h < rate(levels, way) + n else "t" for h, n in zip(hard, noise, strict=True)
            )
            made = result(", ".join(combination), outcomes, ms=5.0 + len(found))
            found.append(StudyResult(levels, seed, way, made, training() if trained else None))
    return found


def heads(rates: dict[str, float]) -> list[StudyResult]:
    """One factor, the head, with these rates of success."""
    return study({"head": list(rates)}, lambda levels, _: rates[levels["head"]])
