"""Check that tasks have what a perturbation changes, before anything is done with the first of them."""

from collections.abc import Sequence

from ..common.errors import InputError
from ..envs import tasks
from ..envs.perturbation_set import PerturbationSet


def check_perturbed_tasks(perturb: str, names: Sequence[str]) -> None:
    """Check the perturbations `perturb`, as "camera=3,mass=0-3", against each task in `names`.

    Raises:
        ValueError: some task lacks what they change; says what, and names the tasks that lack nothing.
    """
    if not perturb:
        return
    able: list[str] = []
    lacks: list[str] = []
    for name in names:
        task = tasks.load(name)
        try:
            PerturbationSet(perturb).check(task, task.build().compile())
            able.append(name)
        except ValueError as error:
            lacks.append(str(error))
    if lacks:
        rest = f"; all of it can be had in {'+'.join(able)}" if able else ""
        raise InputError("; ".join(lacks) + rest)
