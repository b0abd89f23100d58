"""Compare policies on the same test seeds: intervals, paired exact tests, what n can resolve."""

import itertools
from dataclasses import dataclass, field, replace
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...envs import tasks
from ...eval.compare.comparison import compare
from ...eval.compare.score import SuccessRate
from ...eval.result import Condition
from ...eval.stats.paired import required_pairs
from ...eval.stats.pairwise import ALPHA, compare_pairs
from ...eval.stats.sequential import sequential_statement
from ...eval.training_record import cautions
from ..evaluation import (
    EvalConfig,
    EvalTarget,
    default_evaluation,
    eval_target,
    evaluate_cached,
    load_prefix,
    training_records,
    with_task,
)
from ..workflows.sequential import compare_early

POSITION = 80

DISCORDANCES = (0.1, 0.2, 0.3)
"""Fractions of seeds on which two policies may differ, for planning before anything is measured."""


@dataclass(frozen=True)
class Compare:
    """Compare policies. Evaluations that are missing are run first and kept in the run's folder."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs or policies; "expert" is the task's scripted expert."""
    evaluation: Annotated[EvalConfig, tyro.conf.arg(name="")] = field(default_factory=default_evaluation)
    condition: tuple[Condition, ...] = ("test",)
    """Conditions to show; the paired tests are about the test condition."""
    resolve: float | None = None
    """Print first the number of seeds needed to detect this difference [percentage points]."""
    stop_early: bool = False
    """Run two policies block by block, up to the number of episodes, and stop once a difference is
    significant, by a test that is valid under optional stopping."""


def main(argv: list[str]) -> int:
    """Run `vla compare RUN RUN ...`."""
    args = tyro.cli(Compare, args=argv, prog="vla compare")
    if len(args.runs) < 2:
        raise InputError(f"a comparison needs at least two runs, got {len(args.runs)}")
    targets = [eval_target(run) for run in args.runs]
    asked = with_task(args.evaluation, targets)
    evaluations = [replace(asked, task=task) for task in tasks.expand(asked.task)]
    if len(evaluations) > 1 and (args.stop_early or args.resolve is not None):
        raise InputError(
            f"--resolve and --stop-early are about one task: name one of {asked.task} with --task"
        )
    if args.resolve is not None:
        print(_needed(args.resolve, targets, evaluations[0]) + "\n", flush=True)
    if args.stop_early:
        if len(args.runs) != 2 or args.condition != ("test",):
            raise InputError(
                f"stop-early compares exactly two runs under the test condition, got {len(args.runs)} under "
                f"{', '.join(args.condition)}"
            )
        said = [_early(targets[0], targets[1], evaluations[0]), *cautions(training_records(targets))]
        print("\n".join(said))
        return 0
    for evaluation in evaluations:
        comparison = compare([evaluate_cached(who, evaluation, c) for who in targets for c in args.condition])
        lines = [*comparison.statements, *cautions(training_records(targets)), comparison.resolution]
        said = "\n".join(line for line in lines if line)
        title = f"{evaluation.task}\n" if len(evaluations) > 1 else ""
        print(f"{title}{comparison.table()}\n\n{said}" + "\n" * (len(evaluations) > 1), flush=True)
    return 0


def _needed(points: float, targets: list[EvalTarget], evaluation: EvalConfig) -> str:
    """States how many shared seeds detect a difference of `points`."""
    if not 0 < points <= 100:
        raise InputError(f"resolve must be above 0 and at most 100 points, got {points:g}")
    pairs = list(itertools.combinations(targets, 2))
    level = 1 - ALPHA / len(pairs)
    lines = [f"To detect a difference of {points:g} points with 80% power at a fixed number of seeds:"]
    lines += [
        f"  {required_pairs(points / 100, share, level)} seeds, if two policies differ on {share:.0%} of them"
        for share in DISCORDANCES
    ]
    for two in pairs:
        found = [result for who in two if (result := load_prefix(who, evaluation, "test"))]
        if len(found) == 2:
            n = min(len(result.episodes) for result in found)
            (pair,) = compare_pairs([replace(result, episodes=result.episodes[:n]) for result in found])
            lines.append(
                f"  {required_pairs(points / 100, pair.table.discordance, level)} seeds for {pair.first} and "
                f"{pair.second}, which differ on {pair.table.discordance:.0%} of {pair.table.n} so far"
            )
    return "\n".join([*lines, f"This comparison has {evaluation.episodes}."])


def _early(first: EvalTarget, second: EvalTarget, evaluation: EvalConfig) -> str:
    """States the result of a comparison that may stop early."""
    stopped = compare_early(first, second, evaluation)
    played = len(stopped.first.episodes)
    counts = ", ".join(f"{r.policy} {SuccessRate.of(r).counts}" for r in (stopped.first, stopped.second))
    return (
        f"{sequential_statement(stopped.outcome, first.name, second.name, ALPHA)}\n"
        f"Played: {played} of at most {evaluation.episodes} seeds each; successes {counts}. The stopping "
        "time depends on the outcomes, so intervals and McNemar's test, which assume a fixed number of "
        "seeds, are not shown."
    )
