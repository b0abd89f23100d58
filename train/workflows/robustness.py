"""Trials of a robustness evaluation: perturbed episodes, each with its control."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...common.errors import InputError
from ...common.registry import check_name
from ...envs import perturb, tasks
from ...envs.perturbation import LEVELS
from ...envs.perturbation_set import PerturbationSet, parse_levels
from ...envs.task import Task
from ...eval.compare.robustness import PerturbedTrial
from ..evaluation import EvalConfig, EvalTarget, evaluate_cached, expert_beside

COMBINATIONS = "combinations"
"""Axis without levels, beside those of `envs/perturb`: attribute combinations kept from training."""


@dataclass(frozen=True)
class Trial:
    """Trial of one axis at one level."""

    name: str
    """Name of the trial: "camera=3"."""
    evaluation: EvalConfig
    control: EvalConfig
    """Evaluation on the same seeds without the perturbation."""


def trials(evaluation: EvalConfig, axes: str = "", levels: str = "3") -> list[Trial]:
    """Lists a trial for each of `axes` ("camera,light"; if empty, all that the task supports) at each of
    `levels` ("3" or "1-5").

    Raises:
        ValueError: an unknown axis or level, an axis that the task has nothing for, or an evaluation that is
            perturbed already.
    """
    if evaluation.perturb:
        raise InputError(
            f"perturb={evaluation.perturb!r} and robustness exclude each other: name axes and levels"
        )
    definition = tasks.load(evaluation.task)
    model = definition.build().compile()
    found = []
    for axis in axes.split(",") if axes else _all(definition, model):
        if axis == COMBINATIONS:
            held_out, control = (replace(evaluation, combinations=which) for which in ("held_out", "train"))
            found.append(Trial(f"{axis}=held_out", held_out, control))
            continue
        if "." not in axis:
            check_name("axis", axis, [*perturb.names(), COMBINATIONS])
        for level in _levels(levels):
            name = f"{axis}={level}"
            PerturbationSet(name).check(definition, model)
            found.append(Trial(name, replace(evaluation, perturb=name), evaluation))
    return found


def evaluate_trials(who: EvalTarget, trials: list[Trial]) -> Iterator[PerturbedTrial]:
    """Evaluates the policy in every trial and its control, and the expert on the perturbed episodes."""
    expert = expert_beside(who)
    for trial in trials:
        control, perturbed = (
            evaluate_cached(who, evaluation, "test") for evaluation in (trial.control, trial.evaluation)
        )
        yield PerturbedTrial(
            trial.name, control, perturbed, evaluate_cached(expert, trial.evaluation, "test")
        )


def _all(task: Task, model: Any) -> list[str]:
    """Lists every axis in which `task` can be varied."""
    axes = [name for name in perturb.names() if not perturb.load(name).lacks(task, model)]
    held_out = any(meaning.is_held_out for meaning in task.meanings())
    return [*axes, *([COMBINATIONS] if held_out else [])]


def _levels(text: str) -> range:
    found = parse_levels(text)
    if not found or found[0] not in LEVELS:
        raise InputError(
            f"levels must be one of 1 to {LEVELS[-1]}, or several as 1-{LEVELS[-1]}; got {text!r}"
        )
    return found
