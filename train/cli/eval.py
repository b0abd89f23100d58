"""Judge policies on held-out seeds: success with its interval, controls, latency."""

from dataclasses import dataclass, field, replace
from typing import Annotated

import tyro

from ...common.errors import InputError
from ...envs import tasks
from ...eval.compare.comparison import compare
from ...eval.compare.robustness import PerturbedTrial, drops
from ...eval.compare.suite import suite_table
from ...eval.result import CONDITIONS, Condition
from ...eval.training_record import cautions
from ..evaluation import (
    EvalConfig,
    default_evaluation,
    eval_target,
    evaluate_cached,
    training_records,
    with_task,
)
from ..perturbed_tasks import check_perturbed_tasks
from ..unknown_words import caution, unknown_words

POSITION = 60


@dataclass(frozen=True)
class Eval:
    """Judge policies. Results are kept in RUN/eval; what was judged before is read, not run again. With
    --perturb the same seeds unperturbed are judged too."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Folders of runs or policies; "expert" is the task's scripted expert, ws://HOST:PORT a policy that
    another process serves (docs/serving.md)."""
    evaluation: Annotated[EvalConfig, tyro.conf.arg(name="")] = field(default_factory=default_evaluation)
    condition: tuple[Condition, ...] = ("test",)
    """Conditions to evaluate. test: the episodes as they are; swapped_instruction: the sentence names
    another object of the scene, success stays about the original; blank_image: uniform gray."""


def main(argv: list[str]) -> int:
    """Run `vla eval RUN [RUN ...]`."""
    args = tyro.cli(Eval, args=argv, prog="vla eval")
    if not args.runs:
        raise InputError("name at least one run, or 'expert'")
    targets = [eval_target(run) for run in args.runs]
    asked = with_task(args.evaluation, targets)
    names = tasks.expand(asked.task)
    check_perturbed_tasks(asked.perturb, names)
    comparisons = []
    for task in names:
        evaluation = replace(asked, task=task)
        results = [
            evaluate_cached(who, evaluation, c) for who in targets for c in CONDITIONS if c in args.condition
        ]
        comparisons.append(compare(results))
        print(f"{task}\n{comparisons[-1].table()}\n", flush=True)
        for who in targets:
            told = [e.instruction for result in results if result.policy == who.name for e in result.episodes]
            if who.policy and (said := caution(who.name, unknown_words(who.policy, told))):
                print(f"{said}\n", flush=True)
        if evaluation.perturb and "test" in args.condition:
            tested = {result.policy: result for result in results if result.condition == "test"}
            nominal = replace(evaluation, perturb="")
            trials = [
                PerturbedTrial(evaluation.perturb, evaluate_cached(who, nominal, "test"), tested[who.name])
                for who in targets
            ]
            print("\n".join(map(str, drops(trials))) + "\n", flush=True)
    if different := cautions(training_records(targets)):
        print("\n".join(different) + "\n")
    if len(comparisons) > 1:
        print(f"{suite_table(comparisons).aligned()}\n")
    for who in targets:
        print(f"{who.name}: {who.results}")
    return 0
