"""Results of studies out of thin air, for tests of what is done with them."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from made_up_results import result

from vlasandbox.eval.study.level import Level
from vlasandbox.eval.study.summary import StudyResult
from vlasandbox.eval.training_record import TrainingRecord


def training(cpu_minutes: float = 2.0, **changes: int) -> TrainingRecord:
    """A training whose loss falls."""
    rows = [{"step": step, "loss": 1.0 / step} for step in range(10, 60, 10)]
    known: dict[str, Any] = {"updates": 50, "samples": 1600, "demonstrations": 100} | changes
    return TrainingRecord(
        cpu_minutes * 61, cpu_minutes * 60, samples_per_second=20.0, parameters=1_500_000, dataset="abcdef",
        device="cpu", precision="fp32", threads=1, rows=rows, **known,
    )  # fmt: skip


def study(
    factors: Mapping[str, Sequence[Level]],
    rate: Callable[[Mapping[str, Any], str], float],
    *,
    evaluations: Sequence[str] | Mapping[str, Mapping[str, Level]] = ("test",),
    trainings: int = 3,
    episodes: int = 60,
    trained: bool = True,
) -> list[StudyResult]:
    """Results of every cell, with success at a given rate; the same episodes are hard for all.

    Args:
        factors: levels of each factor, by its label.
        rate: success rate, given the levels and the name of the evaluation.
        evaluations: names, or settings by name.
        trainings: per cell.
        episodes: per evaluation.
        trained: whether training records are known.
    """
    settings = evaluations if isinstance(evaluations, Mapping) else {name: {} for name in evaluations}
    generator = np.random.default_rng(0)
    hard = generator.permutation(episodes) / episodes
    found = []
    for combination in itertools.product(*factors.values()):
        levels = dict(zip(factors, combination, strict=True))
        for seed, name in itertools.product(range(trainings), settings):
            noise = generator.normal(0, 0.05, episodes)
            outcomes = "".join(
                "s" if h < rate(levels, name) + n else "t" for h, n in zip(hard, noise, strict=True)
            )
            made = result(", ".join(map(str, combination)), outcomes, ms=5.0 + len(found))
            record = training() if trained else None
            found.append(StudyResult(levels, seed, name, made, record, settings[name]))
    return found


def heads(rates: dict[str, float]) -> list[StudyResult]:
    """One factor, the head, with these rates of success."""
    return study({"head": list(rates)}, lambda levels, _: rates[levels["head"]])
